"""The example clients and the commands of docs/example-clients.md work as they stand there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.serving import granian

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "example-clients.md").read_text(encoding="utf-8")
BASE = "http://127.0.0.1:8080"
BIN = str(Path(sys.executable).parent)


def commands(begins: str) -> list[str]:
    """Return the commands of the guide that begin like this."""
    found = [line.strip() for line in re.findall(r"^    (.+)$", GUIDE, re.MULTILINE) if line.strip().startswith(begins)]
    assert found, begins
    return found


def run(command: str, base: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the guide in a folder, on a server at another port."""
    for name in ("tools", "examples"):
        command = re.sub(rf"(?<![\w/]){name}/", f"{shlex.quote(str(ROOT))}/{name}/", command)
    command = command.replace(".venv/bin", BIN).replace(BASE, base)
    environment = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Do what the guide says: make key, clients file and call, and start the server; yields its URL and the folder."""
    folder = tmp_path_factory.mktemp("client")
    for begin in (".venv/bin/python tools/sign_token.py", "printf", ".venv/bin/plexus-cds example"):
        done = run(commands(begin)[0], BASE, folder)
        assert done.returncode == 0, done.stderr
    store = f"sqlite:///{folder}/store.sqlite3"
    with granian("--development", clients_file=str(folder / "clients.toml"), store_url=store) as server:
        yield server, folder


def test_python(ready):
    """The Python client prints the card with its suggestions, and its report is stored."""
    server, folder = ready
    done = run(commands(".venv/bin/python examples/client.py")[0], server.client.base, folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    summary, *suggestions = done.stdout.splitlines()
    assert "a lumbar MRI can miss" in summary
    assert suggestions[0].startswith("- ")
    assert '"event":"feedback"' in server.errors()


def test_python_with_a_card_without_suggestions(ready):
    """A card may have no suggestion, as in the dialect epic without codes: the Python client ends well all the same."""
    server, folder = ready
    file = folder / "clients.toml"
    table = file.read_text(encoding="utf-8").replace("ehr.example.org", "epic.example.org")
    file.write_text(f'{file.read_text(encoding="utf-8")}{table}dialect = "epic"\n', encoding="utf-8")
    command = commands(".venv/bin/python examples/client.py")[0].replace("ehr.example.org", "epic.example.org")
    done = run(command, server.client.base, folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_python_goes_on_without_advice(ready):
    """Where the service refuses the token the Python client prints no card, says so, and ends well."""
    server, folder = ready
    command = commands(".venv/bin/python examples/client.py")[0].replace("ehr.example.org", "other.example.org")
    done = run(command, server.client.base, folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no advice: HTTPError\n")


def test_curl(ready):
    """The curl client prints discovery and the card, in one line each."""
    server, folder = ready
    done = run(commands("examples/call.sh")[0], server.client.base, folder)
    assert done.returncode == 0, done.stderr
    discovery, answer = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert len(discovery["services"]) == 2
    assert len(answer["cards"]) == 1


def test_curl_refused(ready):
    """Where the token is refused the curl client ends with an error."""
    server, folder = ready
    command = commands("examples/call.sh")[0].replace("ehr.example.org", "other.example.org")
    assert run(command, server.client.base, folder).returncode != 0
