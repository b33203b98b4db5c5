"""The container image: its Containerfile is without faults, and what it describes is built, started and checked.

There is no container engine in the tests: see tests/integration/deploy/image.py for what stands in for it.
"""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cds_service import __version__
from tests.integration.deploy.image import CONTAINERFILE, Stage, build, command, exec_form, instructions
from tests.support.serving import Server, example, free_port

HADOLINT = Path(sys.executable).with_name("hadolint")


def faults(text: str) -> str:
    """Return what hadolint says of a Containerfile; nothing, if it finds no fault."""
    checked = subprocess.run([HADOLINT, "--no-color", "-"], input=text, capture_output=True, text=True, check=False)
    return checked.stdout + checked.stderr


@pytest.fixture(scope="module", name="image")
def an_image(tmp_path_factory) -> Stage:
    """Build the image once."""
    return build(tmp_path_factory.mktemp("image"))


@pytest.fixture(name="container")
def a_container(image, tmp_path):
    """Start a container of the image on a port of its own, open to anyone."""
    settings = {"PLEXUS_CDS_ANYONE_MAY_CALL": "true", "PLEXUS_CDS_HOST": "127.0.0.1"}
    script = tmp_path / "container"
    words = command(image, *exec_form(image.values["ENTRYPOINT"]))
    lines = [f"export {name}={shlex.quote(value)}" for name, value in (image.environment | settings).items()]
    script.write_text("#!/bin/sh\n" + "\n".join(lines) + f'\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    server = Server(str(script), *exec_form(image.values["CMD"])[1:])
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        server.kill()
        server.close()


def test_no_fault():
    """The linter, hadolint, finds nothing, and sees a planted fault of each kind."""
    text = CONTAINERFILE.read_text(encoding="utf-8")
    assert faults(text) == ""
    for right, wrong, says in (
        ("WORKDIR /build", "WORKDIR build", "DL3000"),
        ('CMD ["serve", "--workers", "2"]', "CMD serve --workers 2", "DL3025"),
        ("EXPOSE 8080", "EXPOSED 8080", "missing whitespace"),
        ("USER 10001:10001", "USER root", "DL3002"),
    ):
        assert right in text
        assert says in faults(text.replace(right, wrong))


def test_user_and_label():
    """The user is a number, so that Kubernetes sees that it is not root, and the label has the service's version."""
    written = instructions(CONTAINERFILE.read_text(encoding="utf-8"))
    assert [rest for name, rest in written if name == "USER"] == ["10001:10001"]
    (labels,) = [rest for name, rest in written if name == "LABEL"]
    assert f'org.opencontainers.image.version="{__version__}"' in labels


def test_a_container_works(image, container):
    """On a read-only root, as user 10001 without capabilities, it shows a card, stores it and has no pip."""
    (card,) = container.client.cards(example())
    assert "lumbosacral plexus" in card["summary"]
    assert container.client.get("/readyz").json()["store"] == "ready"
    assert (image.root / "var" / "lib" / "plexus-cds" / "store.sqlite3").exists()
    assert list((image.root / "opt").rglob("pip")) == []


def test_the_health_check_follows_the_port(image, container):
    """The health check passes at the container's port, and fails where nothing answers."""
    check = command(image, *exec_form(image.values["HEALTHCHECK"]))
    for port, code in ((container.port, 0), (free_port(), 1)):
        checked = subprocess.run(
            check, env=image.environment | {"PLEXUS_CDS_PORT": str(port)}, capture_output=True, check=False
        )
        assert checked.returncode == code, checked.stderr.decode()


def test_closed_without_clients(image):
    """A container to which nobody named the clients does not start, and says what to do."""
    start = command(image, *exec_form(image.values["ENTRYPOINT"]), *exec_form(image.values["CMD"]))
    refused = subprocess.run(start, env=image.environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "name the clients in PLEXUS_CDS_CLIENTS_FILE" in refused.stderr
