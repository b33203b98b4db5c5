"""The steps of docs/authentication.md, "Try it", done as they are written there."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.support.serving import environment, granian

ROOT = Path(__file__).parents[3]
START = "PLEXUS_CDS_CLIENTS_FILE=clients.toml .venv/bin/plexus-cds serve --development"


def blocks() -> list[list[str]]:
    """Return the lines of the two blocks of commands: of the terminal that serves, and of the one that calls."""
    section = (ROOT / "docs" / "authentication.md").read_text(encoding="utf-8").partition("\n## Try it\n")[2]
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


def run(lines: list[str], folder: Path) -> str:
    """Run commands as a shell does and return what they print."""
    done = subprocess.run(
        ["bash", "-ec", "\n".join(lines)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_the_steps_as_written(tmp_path):
    """Followed literally they make a key, start, have a signed call answered with a card, and others refused."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    (*preparing, start), calls = blocks()
    assert start == START
    run(preparing, tmp_path)
    with granian("--development", cwd=tmp_path, clients_file="clients.toml", store_url=f"sqlite:///{tmp_path}/s") as it:
        statuses = run([line.replace(":8080", f":{it.port}") for line in calls], tmp_path).split()
        logged = [json.loads(line) for line in it.errors().splitlines()]
    documented = [line.partition("# ")[2].split() for line in calls if "# " in line]
    assert statuses == [status for status, *_ in documented]
    _start, *refused = [line["reason"] for line in logged if line["event"] == "auth_refused"]
    assert refused == [reason for _, *reasons in documented for reason in reasons]
    assert [line["outcome"] for line in logged if line["event"] == "call"].count("card") == 1


def test_the_doctor_with_a_key_of_its_own(tmp_path):
    """The steps of docs/doctor.md give the doctor a client of its own, with which no check of a deployment fails."""
    section = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8").partition("\n## A key for the doctor\n")[2]
    make_key, call_doctor = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[:2]
    [clients] = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    run([make_key], tmp_path)
    (tmp_path / "clients.toml").write_text(clients, encoding="utf-8")
    with granian("--development", cwd=tmp_path, clients_file="clients.toml", store_url=f"sqlite:///{tmp_path}/s") as it:
        output = run([call_doctor.replace("https://cds.hospital.example", it.client.base)], tmp_path)
    assert re.search(r"^OK +Wrong signature", output, re.MULTILINE)
    assert " 0 failed" in output
