"""The probes: whether the process lives, and whether it can answer hook calls rightly."""

import dataclasses
import os
import socket
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest

from cds_service.config.settings import Settings
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.web.app import create_app
from tests.support.service import CLOCK, TODAY, Client, log_lines, serving
from tests.support.serving import free_port

CANARY = "canary-41d7"


@contextmanager
def started(knowledge, **settings):
    """Serve the application with these settings; yields a client."""
    app = create_app(Settings(**settings), knowledge, clock=CLOCK)
    with serving(app) as base, closing((client := Client(base)).session):
        yield client


def health(client) -> dict:
    """Return what /readyz says of a service that is ready."""
    response = client.get("/readyz")
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_never_from_a_cache(path, service):
    """The answer is of this moment, so nobody may cache it."""
    response = service.get(path)
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")


def test_live(service):
    """A process that answers is alive."""
    assert service.get("/livez").json() == {"status": "alive"}


def test_ready(tmp_path, knowledge):
    """All is well: the answer, member by member."""
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    migrate(Store(url))
    with started(knowledge, store_url=url) as client:
        version = knowledge.version
        expected = {"status": "ready", "knowledge": version, "card": "on", "site_file": "none", "clients_file": "none"}
        expected["store"] = "ready"
        assert health(client) == expected


def test_studies_without_a_code(tmp_path, knowledge):
    """In the dialect epic, the report lists the studies that are never suggested, and the service is ready."""
    file = tmp_path / "site.toml"
    file.write_text('dialect = "epic"', encoding="utf-8")
    with started(knowledge, site_file=str(file)) as client:
        assert health(client)["unmapped"] == list(knowledge.card["proposals"])
        file.write_text("", encoding="utf-8")
        assert "unmapped" not in health(client)


def test_site_file(tmp_path, knowledge):
    """The state of the site file is the current one: read, wrong with the one before in force, read again."""
    file = tmp_path / "site.toml"
    file.write_text("")
    steps = [
        ("", "read", "on"),
        ("cards.lumbosacral-plexus-mri.off = true", "read", "off"),
        ("of = true", "wrong", "off"),
        (f"cards.lumbosacral-plexus-mri.shadow.until = {TODAY + timedelta(1)}", "read", "shadow"),
        (f"cards.lumbosacral-plexus-mri.shadow.until = {TODAY - timedelta(1)}", "read", "on"),
    ]
    with started(knowledge, site_file=str(file)) as client:
        for number, (text, state, card) in enumerate(steps):
            file.write_text(text)
            os.utime(file, (number + 1, number + 1))
            found = health(client)
            assert (found["site_file"], found["card"]) == (state, card), text


def test_a_store_that_is_down_keeps_nobody_from_cards(tmp_path, knowledge):
    """A store that is not there, not migrated, or not reachable is reported, and the service stays ready."""
    empty = tmp_path / "empty.sqlite3"
    empty.touch()
    (tmp_path / "file").write_text("no folder")
    stores = {
        f"sqlite:///{empty}": "not_migrated",
        f"sqlite:///{tmp_path}/file/store.sqlite3": "unreachable",
        f"postgresql://127.0.0.1:{free_port()}/{CANARY}": "unreachable",
    }
    for url, state in stores.items():
        with started(knowledge, store_url=url) as client:
            assert health(client)["store"] == state
            assert CANARY not in client.get("/readyz").text


def test_a_store_that_hangs_does_not_hold_the_probe(knowledge):
    """A store that takes connections and says nothing is unreachable, and each probe is answered in its time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/plexus"
        with started(knowledge, store_url=url) as client:
            for _ in range(3):
                response = client.session.get(f"{client.base}/readyz", timeout=2)
                assert (response.status_code, response.json()["store"]) == (200, "unreachable")


def test_unready(knowledge):
    """Where each call would meet a fault, the probe says so, with its kind and nothing else of it."""
    broken = dataclasses.replace(knowledge, card={CANARY: CANARY})
    with started(broken) as client:
        response = client.get("/readyz")
        assert (response.status_code, response.json()["status"]) == (503, "unready")
        assert response.json()["fault"] == "KeyError"
        assert CANARY not in response.text
        assert client.get("/livez").status_code == 200


def test_probes_are_not_logged(service, caplog):
    """Probes come every few seconds, and the log is for calls."""
    caplog.set_level("INFO", "plexus_cds")
    for path in ("/livez", "/readyz", "/metrics"):
        service.get(path)
    assert log_lines(caplog) == []
