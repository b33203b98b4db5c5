"""The steps of docs/connect-an-ehr.md for Epic, done as they are written there: files, commands, calls and answers."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.dialect_rules import epic_faults
from tests.support.service import CLOCK, Client, log_lines, serving
from tests.support.serving import COMMAND, environment

PAGE = (Path(__file__).parents[2] / "docs" / "connect-an-ehr.md").read_text(encoding="utf-8")
EPIC = PAGE.partition("\n## Epic\n")[2].partition("\n## ")[0]


def blocks(language: str, text: str = EPIC) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)


SITE_FILE, CLIENTS_FILE = blocks("toml")
FULL_CALL, STRIPPED_CALL = map(json.loads, blocks("json"))


@pytest.fixture
def folder(tmp_path):
    """Give a folder with the files of the page, under the names that it gives them."""
    for name, text in (("site.toml", SITE_FILE), ("clients.toml", CLIENTS_FILE), ("call.json", json.dumps(FULL_CALL))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def site(folder, knowledge):
    """Give a client of a service with the site file of the page."""
    with serving(create_app(Settings(site_file=str(folder / "site.toml")), knowledge, clock=CLOCK)) as server:
        yield Client(server)


def run(lines: str, folder: Path) -> str:
    """Run commands as a shell does, with the command on the path, and return what they print."""
    path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", lines],
        cwd=folder,
        env=environment() | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_the_commands_as_written(folder):
    """check-config accepts the site file and prints the prefetch lines of the page; decide names its card."""
    check_config, decide = blocks("sh")
    printed = run(check_config, folder)
    documented = re.findall(r"^    (\w+: \w+\?patient=.*)$", EPIC, re.MULTILINE)
    assert len(documented) == 5
    assert [line for line in documented if f"  {line}\n" not in printed] == []
    assert "Note:" not in printed
    output = run(decide, folder)
    assert re.sub(r"\s+", " ", re.findall(r"outcome is \*(.*?)\*", EPIC, re.DOTALL)[0]) in output
    [any_ehr] = blocks("sh", PAGE.partition("\n## Epic\n")[0])
    assert "Outcome" in run(any_ehr, folder)


def test_keys_without_the_site_file(folder):
    """Without the site file, decide names the keys of the call that were not read."""
    call = FULL_CALL | {"prefetch": {"conditions": None, **FULL_CALL["prefetch"]}}
    (folder / "call.json").write_text(json.dumps(call), encoding="utf-8")
    output = run("plexus-cds decide call.json", folder)
    [line] = [line for line in output.splitlines() if "no setting names" in line]
    assert line.endswith("encounter_diagnoses, health_concerns, imaging_orders, imaging_reports, problems")


def test_the_clients_file_as_written(folder):
    """The clients file of the page passes, with the settings that it needs."""
    settings = "PLEXUS_CDS_CLIENTS_FILE=clients.toml PLEXUS_CDS_PUBLIC_URL=https://cds.hospital.example"
    printed = run(f"{settings} plexus-cds check-config site.toml", folder)
    assert "Client https://epic.hospital.example/api/FHIR/R4:" in printed


def test_the_call_as_written(site):
    """The call of the page gets a card of creates and one delete, by the code of the site file alone."""
    answer = site.post(FULL_CALL).json()
    assert epic_faults(answer, FULL_CALL) == []
    [card] = answer["cards"]
    labels = {suggestion["label"]: suggestion["actions"][0] for suggestion in card["suggestions"]}
    assert labels["Order plexus MRI"]["resource"]["code"]["coding"][0]["code"] == "IMG5678"
    assert labels["Remove the lumbar MRI"]["resourceId"] == "ServiceRequest/eOrder"
    assert all(label in EPIC for label in labels), "the page names each button"


def test_each_key_that_is_left_out_is_noticed(site):
    """Without the key that has the cancer, the empty problem list is no all-clear, whichever keys come."""
    sent = FULL_CALL["prefetch"]
    for missing, status in ((["encounter_diagnoses"], 200), ([*sent][:3], 412), (["procedures"], 200)):
        call = FULL_CALL | {"prefetch": {key: value for key, value in sent.items() if key not in missing}}
        response = site.post(call)
        assert response.status_code == status
        if status == 412:
            assert all(key in response.text for key in missing)
        else:
            assert bool(response.json()["cards"]) is ("encounter_diagnoses" not in missing)


def test_the_stripped_call_as_written(site, caplog):
    """The stripped call of the page is 422; answer and log say what the page says."""
    caplog.set_level("INFO", "plexus_cds")
    response = site.post(STRIPPED_CALL)
    assert response.status_code == 422
    assert "context.draftOrders" in response.text
    line = log_lines(caplog, "call")[-1]
    for name in ("outcome", "error"):
        assert f'"{name}":"{line[name]}"' in EPIC
