"""A bad edit of the operator's files, and then the death of every worker that had read the good ones."""

import os
import signal
import subprocess
from contextlib import closing

import pytest

from cds_service.clock import SYSTEM_CLOCK
from tests.faults.load import until
from tests.integration.test_metrics_workers import workers
from tests.support.authenticated_service import LEAST, written
from tests.support.service import ORDER_SELECT, Client
from tests.support.serving import Server, example, granian
from tests.support.signing import ISSUER, bearer

PUBLIC = "https://cds.example.org"
OFF = "cards.lumbosacral-plexus-mri.off = {}"
OTHER = "https://other.example.org"
TWO = (LEAST, LEAST.replace(ISSUER, OTHER))


def ask(server: Server, **claimed: str) -> tuple[int, int]:
    """Return the status and the number of cards of a call, on a connection of its own, with a token of a client."""
    now = int(SYSTEM_CLOCK.now().timestamp())
    token = bearer(claimed={"aud": PUBLIC + ORDER_SELECT, "iat": now, "exp": now + 300, **claimed})
    with closing(Client(server.client.base).session) as session:
        address = server.client.base + ORDER_SELECT
        answer = session.post(address, json=example(), headers={"Authorization": token}, timeout=10)
    return answer.status_code, len(answer.json().get("cards", ()))


def states(server: Server) -> tuple[str, str, str]:
    """Return what a worker says of the card and of the files."""
    client = Client(server.client.base)
    with closing(client.session):
        report = client.get("/readyz").json()
    return report["card"], report["site_file"], report["clients_file"]


def replace_each_worker(server: Server) -> None:
    """Kill one worker after another, and wait for the successor of each; two in 5.5 s would end the server."""
    for old in workers(server):
        others = set(workers(server)) - {old}
        os.kill(old, signal.SIGKILL)
        until(lambda others=others, old=old: old not in (now := set(workers(server))) and len(now) > len(others))
        server.wait_until_it_answers()


@pytest.mark.parametrize("number", ["1", "2"])
def test_each_worker_dies_while_the_files_are_invalid(number, tmp_path):
    """A successor does as the last valid files say: the card stays off, who was blocked stays out, and nobody else is.

    What was edited since is reported as wrong, and counts as soon as it is corrected.
    """
    site = tmp_path / "site.toml"
    site.write_text(OFF.format("false"), encoding="utf-8")
    settings = {
        "clients_file": str(written(tmp_path, *TWO)),
        "site_file": str(site),
        "store_url": f"sqlite:///{tmp_path}/store.sqlite3",
        "public_url": PUBLIC,
    }
    with granian("--workers", number, **settings) as server:
        assert (ask(server), ask(server, iss=OTHER)) == ((200, 1), (200, 1))
        site.write_text(OFF.format("true"), encoding="utf-8")
        written(tmp_path, LEAST)
        until(lambda: (ask(server), ask(server, iss=OTHER)) == ((200, 0), (401, 0)))
        site.write_text("off = ", encoding="utf-8")
        (tmp_path / "clients.toml").write_text("", encoding="utf-8")
        replace_each_worker(server)
        for _ in range(8):
            assert (ask(server), ask(server, iss=OTHER)) == ((200, 0), (401, 0))
            assert states(server) == ("off", "wrong", "wrong")
        site.write_text(OFF.format("false"), encoding="utf-8")
        written(tmp_path, *TWO)
        for _ in range(8):
            assert (ask(server), ask(server, iss=OTHER)) == ((200, 1), (200, 1))
        assert server.stop() == 0


def test_old_temporary_files_are_cleaned_up(tmp_path, monkeypatch):
    """The machine's cleaner of temporary files leaves the last valid version and the counts of a server that runs."""
    temporary, rule = tmp_path / "temporary", tmp_path / "clean.conf"
    (temporary / "of nobody").mkdir(parents=True)
    rule.write_text(f"d {temporary} 0700 - - 0\n", encoding="utf-8")  # as old as they may get: no time at all
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    site = tmp_path / "site.toml"
    site.write_text(OFF.format("false"), encoding="utf-8")
    with granian(site_file=str(site), store_url=f"sqlite:///{tmp_path}/store.sqlite3") as server:
        kept = sorted(temporary.rglob("*.*"))
        subprocess.run(["systemd-tmpfiles", "--clean", rule], check=True)
        assert not (temporary / "of nobody").exists()
        assert sorted(temporary.rglob("*.*")) == kept
        assert any(path.name == "site_file" for path in temporary.rglob("*"))
        assert server.stop() == 0
    assert list(temporary.iterdir()) == []


def test_the_worker_dies_while_a_file_of_keys_is_invalid(tmp_path):
    """A successor refuses the client whose keys are not known, answers the others, until the keys are corrected."""
    other = LEAST.replace(ISSUER, OTHER).replace("keys.json", "other.json")
    clients = written(tmp_path, LEAST)
    good_keys = (tmp_path / "keys.json").read_text(encoding="utf-8")
    (tmp_path / "other.json").write_text(good_keys, encoding="utf-8")
    written(tmp_path, LEAST, other)
    settings = {"store_url": f"sqlite:///{tmp_path}/store.sqlite3", "public_url": PUBLIC}
    with granian(clients_file=str(clients), **settings) as server:
        assert (ask(server), ask(server, iss=OTHER)) == ((200, 1), (200, 1))
        (tmp_path / "other.json").write_text("{", encoding="utf-8")
        assert (ask(server), ask(server, iss=OTHER)) == ((200, 1), (200, 1))
        replace_each_worker(server)
        assert (ask(server), ask(server, iss=OTHER)) == ((200, 1), (401, 0))
        (tmp_path / "other.json").write_text(good_keys, encoding="utf-8")
        assert (ask(server), ask(server, iss=OTHER)) == ((200, 1), (200, 1))
        assert states(server) == ("on", "none", "read")
        assert server.stop() == 0
