"""The trial with PostgreSQL and nginx: Docker Compose accepts it, and the service works with its settings.

No container is started: Compose reads and checks the file without an engine.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.limits.nginx import nginx
from tests.support.databases import postgresql  # noqa: F401 - a fixture is used by its name
from tests.support.serving import example, granian, run

ROOT = Path(__file__).parents[3]
FILE = ROOT / "deploy" / "compose.yaml"
COMPOSE = Path(sys.executable).with_name("docker-compose")


def compose(text: str) -> subprocess.CompletedProcess[str]:
    """Let Docker Compose read and check a file that stands for deploy/compose.yaml."""
    command = [COMPOSE, "--project-directory", FILE.parent, "--file", "-", "config", "--format", "json"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", name="trial")
def the_trial() -> dict[str, Any]:
    """Return the trial as Docker Compose understands it."""
    read = compose(FILE.read_text(encoding="utf-8"))
    assert read.returncode == 0, read.stderr
    assert read.stderr == ""
    return json.loads(read.stdout)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("read_only: true", "readonly: true", "readonly"),
        ("service_healthy", "healthy", "condition"),
        ("secrets: [store_url]", "secrets: [store]", "undefined secret store"),
        ("networks: [store]", "networks: [stores]", "undefined network stores"),
        ("network_mode: service:plexus-cds", "network_mode: service:plexus", "plexus"),
    ],
)
def test_a_wrong_file_is_refused(right, wrong, says):
    """Docker Compose sees a key that is misspelled and a name that is not there."""
    text = FILE.read_text(encoding="utf-8")
    assert right in text
    refused = compose(text.replace(right, wrong))
    assert refused.returncode != 0
    assert says in refused.stderr


def test_order_of_start(trial):
    """The database is healthy before it is migrated; then the service starts, and nginx when that is healthy."""
    waits = {
        name: {other: wait["condition"] for other, wait in service.get("depends_on", {}).items()}
        for name, service in trial["services"].items()
    }
    assert waits == {
        "database": {},
        "migrate": {"database": "service_healthy"},
        "plexus-cds": {"migrate": "service_completed_successfully"},
        "nginx": {"plexus-cds": "service_healthy"},
    }
    assert [name for name, service in trial["services"].items() if "healthcheck" not in service] == ["migrate"]
    assert trial["services"]["migrate"]["restart"] == "no"


def test_this_machine_alone_reaches_it(trial):
    """Each port is open to this machine only, and the database has no way out."""
    ports = [port for service in trial["services"].values() for port in service.get("ports", ())]
    assert {(port["host_ip"], port["published"]) for port in ports} == {("127.0.0.1", "8080"), ("127.0.0.1", "8443")}
    assert trial["networks"]["store"]["internal"] is True
    assert list(trial["services"]["database"]["networks"]) == ["store"]


def test_restricted(trial):
    """All but the database run on a read-only file system, without capabilities that they do not need."""
    for name in ("migrate", "plexus-cds", "nginx"):
        service = trial["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_secrets_are_files(trial, tmp_path):
    """`make` writes each file that the trial mounts, for this user only, and no secret stands in the file itself."""
    made = tmp_path / "secrets"
    command = ["make", "--silent", f"SECRETS={made}", str(made)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    files = [secret["file"] for secret in trial["secrets"].values()]
    files += [mount["source"] for mount in trial["services"]["nginx"]["volumes"]]
    missing = [file for file in files if not (made / Path(file).name).exists() and not Path(file).is_file()]
    assert missing == []
    assert made.stat().st_mode & 0o777 == 0o700
    password = (made / "postgres_password").read_text(encoding="utf-8")
    assert password in (made / "store_url").read_text(encoding="utf-8")
    assert "PASSWORD_FILE" in FILE.read_text(encoding="utf-8")


def test_the_service_with_these_settings(trial, tmp_path, postgresql):  # noqa: F811 - a fixture is used by its name
    """With the trial's settings PostgreSQL is migrated, the playground shown, and a card given through nginx."""
    (tmp_path / "store_url").write_text(f"{postgresql()}\n", encoding="utf-8")
    (tmp_path / "patient_key").write_text("f" * 64, encoding="utf-8")
    migrate, service = (settings_of(trial["services"][name], tmp_path) for name in ("migrate", "plexus-cds"))
    migrated = run("migrate", **migrate)
    assert migrated.returncode == 0, migrated.stderr
    with granian(host="0.0.0.0", **service) as server, nginx(tmp_path, server.port) as front:
        assert server.client.get("/readyz").json()["store"] == "ready"
        assert server.client.get("/").status_code == requests.codes.ok
        assert server.client.get("/dashboard").status_code == requests.codes.ok
        (card,) = front.client.cards(example())
        assert front.client.get("/").status_code == requests.codes.not_found
    assert "https://localhost:8443/cards/" in json.dumps(card)


def settings_of(service: dict[str, Any], folder: Path) -> dict[str, str]:
    """Return the settings of a service of the trial, its secrets in a folder here."""
    return {
        name.removeprefix("PLEXUS_CDS_").lower(): value.replace("/run/secrets", str(folder))
        for name, value in service["environment"].items()
    }
