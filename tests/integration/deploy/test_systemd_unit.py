"""The systemd unit: what systemd makes of it, and that the service does its work under what it forbids."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import requests

from cds_service.config.settings import Settings
from cds_service.web import body_drain
from tests.integration.deploy.sandbox import UNIT, directives, sandboxed
from tests.support.serving import COMMAND, STOPS_IN, Server, environment, example, run

MOST_EXPOSURE = 15
"""In tenths, of systemd-analyze's 100: what is left is the network, and the machine's own programs."""
REFUSED = """
import mmap, os, socket
def attempt(name, do):
    try:
        do()
    except OSError as error:
        print(name, error.strerror)
    else:
        print(name, "done")
attempt("root", lambda: open("/plexus", "w"))
attempt("code", lambda: open({package!r} + "/plexus.py", "w"))
attempt("write and execute", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC))
attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, 5))
attempt("user", lambda: os.setresuid(0, 0, 0))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK))
print("uid", os.getuid())
"""
WORK = """
import psycopg
from joserfc import jwt
from joserfc.jwk import ECKey
import requests
key = ECKey.generate_key("P-384")
token = jwt.encode({"alg": "ES384"}, {}, key, algorithms=["ES384"])
jwt.decode(token, key, algorithms=["ES384"])
for connect, error in (
    (lambda: psycopg.connect("postgresql://cds@127.0.0.1:1/cds"), psycopg.OperationalError),
    (lambda: requests.get("http://127.0.0.1:1/"), requests.ConnectionError),
):
    try:
        connect()
    except error:
        print("refused by nobody but the port")
"""


def verified(unit: str, folder: Path) -> str:
    """Return what systemd says of a unit whose program is there; nothing, if it finds no fault."""
    file = folder / "plexus-cds.service"
    file.write_text(unit.replace("/opt/plexus-cds/bin/plexus-cds", COMMAND), encoding="utf-8")
    checked = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    return checked.stdout + checked.stderr + ("" if checked.returncode == 0 else f"exit {checked.returncode}")


def test_one_worker_takes_no_other_with_it():
    """A worker killed for its memory is replaced alone, and many workers may start all of their threads."""
    allowed = directives(UNIT.read_text(encoding="utf-8"))
    assert allowed["OOMPolicy"] == ["continue"]
    assert int(allowed["TasksMax"][0]) >= 32 * (Settings().threads + body_drain.CONCURRENT + 18)


def python_in_sandbox(folder: Path, program: str) -> list[str]:
    """Run a Python program under what the unit forbids, and return the lines that it prints."""
    script = sandboxed(folder, f"{COMMAND.removesuffix('plexus-cds')}python")
    command = [str(script), "-c", program]
    finished = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def stop_as_systemd(server: Server) -> int:
    """Send SIGTERM to the server alone, as KillMode=mixed does, and return its exit code, through bubblewrap."""
    bubblewrap = server.process.pid
    (main,) = Path(f"/proc/{bubblewrap}/task/{bubblewrap}/children").read_text(encoding="utf-8").split()
    os.kill(int(main), signal.SIGTERM)
    return server.process.wait(STOPS_IN)


def test_systemd_finds_no_fault(tmp_path):
    """Each directive of the unit is known to systemd, and its value accepted."""
    assert verified(UNIT.read_text(encoding="utf-8"), tmp_path) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("ProtectHome=yes", "ProtectHomes=yes", "'ProtectHomes' in section"),
        ("ProtectSystem=strict", "ProtectSystem=hard", "ignoring: hard"),
        ("@system-service", "@system-services", "@system-services"),
        ("ExecStart=/opt", "ExecStart=opt", "bad unit file setting"),
    ],
)
def test_a_wrong_directive_is_found(right, wrong, says, tmp_path):
    """The check above sees a directive that systemd would ignore."""
    unit = UNIT.read_text(encoding="utf-8")
    assert right in unit
    assert says in verified(unit.replace(right, wrong), tmp_path)


def test_exposure():
    """systemd-analyze rates the unit's exposure at 1.5 of 10 or less; one without the sandbox is refused."""
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSURE}", UNIT]
    rated = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rated.returncode == 0, rated.stdout


def test_exposure_without_a_sandbox(tmp_path):
    """The threshold of the test above is passed by a unit that lacks a part of the sandbox."""
    open_unit = re.sub(r"(?m)^(SystemCallFilter|CapabilityBoundingSet|RestrictNamespaces)=.*\n", "", UNIT.read_text())
    (tmp_path / UNIT.name).write_text(open_unit, encoding="utf-8")
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSURE}"]
    rated = subprocess.run([*command, tmp_path / UNIT.name], capture_output=True, text=True, check=False)
    assert rated.returncode != 0


def test_the_service_works_in_the_sandbox(tmp_path):
    """With two workers it shows a card, stores feedback, counts, and stops with exit code 0, under the unit's rules."""
    server = Server(str(sandboxed(tmp_path, COMMAND)), "--workers", "2")
    try:
        server.wait_until_it_answers()
        assert server.client.get("/readyz").json()["store"] == "ready"
        (card,) = server.client.cards(example())
        report = {"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": "2026-01-01T00:00:00Z"}
        report["acceptedSuggestions"] = [{"id": card["suggestions"][0]["uuid"]}]
        path = "/cds-services/lumbosacral-plexus-mri-order-select/feedback"
        assert server.client.post({"feedback": [report]}, path).status_code == requests.codes.ok
        assert 'plexus_cds_calls_total{outcome="card"' in server.client.get("/metrics").text
        assert stop_as_systemd(server) == 0, server.errors()
        assert "Traceback" not in server.errors()
    finally:
        server.kill()
        server.close()
    assert [file.name for file in (tmp_path / "state").rglob("*") if file.is_file()] == ["store.sqlite3"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_the_sandbox_refuses(tmp_path):
    """Nothing is written outside of state and /tmp, and what a service does not need is refused."""
    package = str(UNIT.parents[1] / "cds_service")
    lines = python_in_sandbox(tmp_path, REFUSED.replace("{package!r}", repr(package)))
    assert lines == [
        "root Read-only file system",
        "code Read-only file system",
        "write and execute Operation not permitted",
        "priority Operation not permitted",
        "user Operation not permitted",
        "netlink Address family not supported by protocol",
        "uid 10001",
    ]


def test_what_deployments_load_works_in_the_sandbox(tmp_path):
    """PostgreSQL's driver, signatures and the HTTP client run under the unit's rules, and may connect."""
    assert python_in_sandbox(tmp_path, WORK) == ["refused by nobody but the port"] * 2


def test_time_to_stop():
    """A server is killed when it stops later than the longest call, PLEXUS_CDS_FETCH_SECONDS of 60, allows."""
    unit = directives(UNIT.read_text(encoding="utf-8"))
    assert int(unit["TimeoutStopSec"][0]) > 60 + 10
    assert unit["Type"] == ["exec"]


def test_the_documented_settings(tmp_path):
    """The settings in docs/install.md are accepted by the service, with the files that they name."""
    page = (UNIT.parents[1] / "docs" / "install.md").read_text(encoding="utf-8")
    block = page.partition("behind nginx on the same machine:\n\n")[2].partition("\n\n")[0]
    settings = dict(line.strip().removeprefix("PLEXUS_CDS_").split("=", 1) for line in block.splitlines())
    client = '[[clients]]\nissuer = "https://ehr.example.org"\njwks_url = "https://ehr.example.org/jwks.json"\n'
    (tmp_path / "clients.toml").write_text(client, encoding="utf-8")
    (tmp_path / "site.toml").touch()
    here = {name.lower(): value.replace("/etc/plexus-cds", str(tmp_path)) for name, value in settings.items()}
    checked = run("check-config", **here)
    assert checked.returncode == 0, checked.stderr
    assert f"PLEXUS_CDS_CLIENTS_FILE: {tmp_path}/clients.toml (environment)" in checked.stdout
