"""The site's own words: what its file can say, what becomes of it while the service runs, and `check-config`."""

import json
import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import TODAY, Client, serving
from notation import call
from serving import COMMAND, Server

from cds_service.cli import main
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from cds_service.web.app import create_app

CANCER = "prostate cancer"
LOCAL = {"system": "urn:site:orders", "code": "IMG1"}
MAPPED = '[[orders]]\nsystem = "urn:site:orders"\ncode = "IMG1"\nstudy = "{}"\n'
PROPOSED = """
[propose.plexus_mri_without_and_with_contrast]
system = "urn:site:orders"
code = "PLEX"
display = "MR plexus, our protocol"
"""


def shadow(days: int) -> str:
    """Return a file with shadow mode until so many days from today."""
    return f"[shadow]\nuntil = {TODAY + timedelta(days)}\n"


def asking(patient=CANCER, done_before=None) -> dict:
    """Return a call for a lumbar MRI of a patient, who may have had a plexus MRI so many days ago."""
    body = call({"patient": patient, "order": "lumbar MRI", "also drafted": "", "call": ""}, TODAY)
    if done_before is not None:
        when = (TODAY - timedelta(done_before)).isoformat()
        done = {"resourceType": "Procedure", "status": "completed", "performedDateTime": when}
        done["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "781526004"}]}
        body["prefetch"]["procedures"]["entry"].append({"resource": done})
    return body


def asking_by_local_code(words="IMG") -> dict:
    """Return a call whose order has only the site's own code, and words."""
    body = asking()
    body["context"]["draftOrders"]["entry"][0]["resource"]["code"] = {"coding": [LOCAL], "text": words}
    return body


@dataclass
class Site:
    """A service with a site file that can be rewritten, and what it logs."""

    client: Client
    file: Path
    caplog: pytest.LogCaptureFixture

    def write(self, text: str) -> None:
        """Rewrite the file as an editor does; its time of change always differs."""
        before = self.file.stat().st_mtime_ns
        self.file.write_text(text, encoding="utf-8")
        os.utime(self.file, ns=(before + 1, before + 1))

    def says(self, body=None) -> list[str]:
        """Return the indicators of the cards for a call, or else the reasons why there is none."""
        self.caplog.clear()
        cards = self.client.cards(body or asking())
        return [card["indicator"] for card in cards] or self.logged()["reasons"]

    def logged(self) -> dict:
        """Return the last line of the log."""
        return json.loads([one.message for one in self.caplog.records if one.name == "plexus_cds"][-1])


@pytest.fixture
def site(tmp_path, knowledge, caplog):
    """Give a function that starts the service with a site file."""
    caplog.set_level("INFO", "plexus_cds")

    @contextmanager
    def start(text: str = ""):
        file = tmp_path / "site.toml"
        file.write_text(text, encoding="utf-8")
        app = create_app(Settings(site_file=str(file)), knowledge, today=lambda: TODAY)
        with serving(app) as base, closing((client := Client(base)).session):
            yield Site(client, file, caplog)

    return start


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Keep the settings of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("PLEXUS_CDS_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("text", "body", "says"),
    [
        ("", asking(), ["info"]),
        (MAPPED.format("lumbar_spine_mri"), asking_by_local_code(), ["info"]),
        (MAPPED.format("plexus_mri_without_contrast"), asking_by_local_code(), ["warning"]),
        ("", asking_by_local_code("MRI lumbar spine"), ["info"]),
        (MAPPED.format("not_watched"), asking_by_local_code("MRI lumbar spine"), ["nothing_watched"]),
        ('policy = "focused"', asking("breast cancer"), ["remote_without_presentation"]),
        ("limits.plexus_mri_done = 101", asking(done_before=100), ["plexus_mri_done"]),
        ("limits.plexus_mri_done = 0", asking(done_before=1), ["info"]),
        (shadow(0), asking(), ["info:in_reach:none"]),
        (shadow(-1), asking(), ["info"]),
    ],
)
def test_what_the_file_says_holds(text, body, says, site):
    """Codes (before the order's words), policy, limits and shadow are as the file has them."""
    with site(text) as started:
        assert started.says(body) == says


def test_the_sites_own_code_goes_first(site):
    """Every proposed plexus MRI carries the site's code first, with its system, and then ours."""
    with site(PROPOSED) as started:
        [card] = started.client.cards(asking())
        for suggestion in card["suggestions"]:
            first, *ours = suggestion["actions"][0]["resource"]["code"]["coding"]
            assert first == {"system": "urn:site:orders", "code": "PLEX", "display": "MR plexus, our protocol"}
            assert [coding["code"] for coding in ours] == ["781526004", "RPID4815", "30866-8"]


def test_optional_keys_are_advertised_where_the_site_asks_for_them(site):
    """Discovery has the keys of the file, and no others; the change needs no restart."""
    with site() as started:
        for keys in ([], ["devices"], ["allergies", "egfr"]):
            started.write(f"prefetch = {keys}")
            for one in started.client.get("/cds-services").json()["services"]:
                assert list(one["prefetch"]) == ["conditions", "procedures", *keys]
        assert one["prefetch"]["allergies"] == "AllergyIntolerance?patient={{context.patientId}}"
        assert one["prefetch"]["egfr"].startswith("Observation?patient={{context.patientId}}&code=http://loinc.org|")


def test_the_kill_switch(site):
    """Switched off in the file, the very next call is silent; switched on again, it gets its card again."""
    with site("off = false") as started:
        for text, says in (
            ("", "info"),
            ("off = true", "rule_off"),
            ("off = false", "info"),
            ("off = true", "rule_off"),
        ):
            started.write(text)
            assert started.says() == [says]
        assert started.says(asking() | {"prefetch": {}}) == ["rule_off"], "the record is not even asked for"


def test_shadow_mode_is_logged(site):
    """In shadow mode the log has the outcome `shadow` with its reasons, and what is silent stays `silent`."""
    with site(shadow(30)) as started:
        assert started.client.cards(asking()) == []
        assert (started.logged()["outcome"], started.logged()["reasons"]) == ("shadow", ["info:in_reach:none"])
        assert started.client.cards(asking("")) == []
        assert (started.logged()["outcome"], started.logged()["reasons"]) == ("silent", ["no_history"])


@pytest.mark.parametrize("wrong", ["off = ", "of = true", 'policy = "narrow"', "[shadow]", None])
def test_a_file_that_becomes_wrong_changes_nothing(wrong, site):
    """A file that becomes wrong, or goes, while the service runs leaves what was in force, and is logged once."""
    with site('policy = "focused"') as started:
        started.file.unlink() if wrong is None else started.write(wrong)
        assert started.says(asking("breast cancer")) == ["remote_without_presentation"]
        [note] = [json.loads(one.message) for one in started.caplog.records if "site_file" in one.message]
        assert "stays in force" in note["site_file"]
        assert "site.toml" in note["fault"]
        started.says()
        assert "site_file" not in started.caplog.text


WRONG = {
    "no TOML": ("off = ?", "line 1"),
    "a member twice": ("off = true\noff = true\n", "line 2"),
    "an unknown key": ('polcy = "broad"', "polcy"),
    "a wrong type": ('off = "perhaps"', "off"),
    "a table that is none": ("shadow = true", "shadow"),
    "an unknown limit": ("limits.patience = 3", "limits"),
    "a negative limit": ("limits.presentation = -1", "limits.presentation"),
    "a limit beyond the calendar": ("limits.presentation = 99999999", "limits.presentation"),
    "an unknown prefetch key": ('prefetch = ["labs"]', "prefetch.1"),
    "an unknown study": (MAPPED.format("brain_mri"), "orders.1.study"),
    "an order without a study": ('[[orders]]\nsystem = "s"\ncode = "c"', "orders.1.study"),
    "a local code twice": (MAPPED.format("not_watched") + MAPPED.format("lumbar_spine_mri"), "orders"),
    "a study that is never proposed": (PROPOSED.replace("plexus_mri", "brain_mri"), "propose"),
    "a shadow without an end": ("[shadow]", "shadow.until"),
    "a missing file": (None, "No such file"),
}


@pytest.mark.parametrize(("text", "names"), WRONG.values(), ids=WRONG)
def test_each_way_to_be_wrong_stops_the_start(text, names, tmp_path, knowledge, capsys):
    """A wrong file is a SettingsError at the start; check-config tells it in a plain line with file and member."""
    file = tmp_path / "site.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError):
        create_app(Settings(site_file=str(file)), knowledge)
    assert main(["check-config", str(file)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "site.toml" in line
    assert names in line
    assert "instance of" not in line, "plain"


def test_serve_does_not_start_with_a_wrong_file(tmp_path):
    """`plexus-cds serve` with a wrong file ends at once with exit code 1 and one line, as with a wrong setting."""
    file = tmp_path / "site.toml"
    file.write_text("of = true", encoding="utf-8")
    with closing(Server(COMMAND, site_file=str(file))) as server:
        try:
            assert server.process.wait(20) == 1
        finally:
            server.kill()
        assert (server.output(), len(server.errors().splitlines())) == ("", 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["policy: broad", "off: False", '"presentation": 365', "port: 8080"]),
        ('policy = "focused"\nlimits.presentation = 100', ["policy: focused", '"presentation": 100', '"trauma": 90']),
        (MAPPED.format("lumbar_spine_mri") + PROPOSED, ["IMG1", "lumbar_spine_mri", "PLEX"]),
        ("[shadow]\nuntil = 2020-01-01", ["the shadow mode ended on 2020-01-01; cards are shown"]),
        ("[shadow]\nuntil = 2999-01-01", ["2999"]),
    ],
)
def test_a_right_file(text, says, tmp_path, capsys):
    """check-config prints what is in force and exits with 0; of a shadow that is past it says so."""
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    assert main(["check-config", str(file)]) == 0
    out = capsys.readouterr().out
    assert [one for one in says if one not in out] == []
    assert ("ended" in out) is ("2020" in text)


def test_check_config_reads_the_settings(tmp_path, monkeypatch, capsys):
    """Without an argument, the file that PLEXUS_CDS_SITE_FILE names is checked."""
    monkeypatch.setenv("PLEXUS_CDS_SITE_FILE", f"{tmp_path}/gone.toml")
    assert main(["check-config"]) == 1
    assert "gone.toml" in capsys.readouterr().err
