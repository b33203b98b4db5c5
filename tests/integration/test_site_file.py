"""The site's own words: what its file can say, and what becomes of it while the service runs."""

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.notation import call
from tests.support.service import CLOCK, TODAY, Client, log_lines, serving

CARD = "cards.lumbosacral-plexus-mri."
CANCER = "prostate cancer"
LOCAL = {"system": "urn:site:orders", "code": "IMG1"}
MAPPED = '[[orders]]\nsystem = "urn:site:orders"\ncode = "IMG1"\nstudy = "{}"\n'
PROPOSED = f"""
[{CARD}propose.plexus_mri_without_and_with_contrast]
system = "urn:site:orders"
code = "PLEX"
display = "MR plexus, our protocol"
"""


def shadow(days: int) -> str:
    """Return a file with shadow mode until so many days from today."""
    return f"[{CARD}shadow]\nuntil = {TODAY + timedelta(days)}\n"


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
        return log_lines(self.caplog)[-1]


@pytest.fixture
def site(tmp_path, knowledge, caplog):
    """Give a function that starts the service with a site file."""
    caplog.set_level("INFO", "plexus_cds")

    @contextmanager
    def start(text: str = ""):
        file = tmp_path / "site.toml"
        file.write_text(text, encoding="utf-8")
        app = create_app(Settings(site_file=str(file)), knowledge, clock=CLOCK)
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
        (f'{CARD}policy = "focused"', asking("breast cancer"), ["remote_without_presentation"]),
        (f"{CARD}lookback.plexus_mri_done = 101", asking(done_before=100), ["plexus_mri_done"]),
        (f"{CARD}lookback.plexus_mri_done = 0", asking(done_before=1), ["info"]),
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
        assert card["suggestions"]
        for suggestion in card["suggestions"]:
            first, *ours = suggestion["actions"][0]["resource"]["code"]["coding"]
            assert first == {"system": "urn:site:orders", "code": "PLEX", "display": "MR plexus, our protocol"}
            assert [coding["code"] for coding in ours] == [
                "plexus-mri-without-and-with-contrast",
                "443078008",
                "RPID4815",
                "30866-8",
            ]


def test_optional_keys_are_advertised_where_the_site_asks_for_them(site):
    """Discovery has the keys of the file, and no others; the change needs no restart."""
    with site() as started:
        for keys in ([], ["devices"], ["allergies", "egfr"]):
            started.write(f"prefetch = {keys}")
            for service in started.client.get("/cds-services").json()["services"]:
                assert list(service["prefetch"]) == ["conditions", "procedures", *keys]
        assert service["prefetch"]["allergies"] == "AllergyIntolerance?patient={{context.patientId}}"
        assert service["prefetch"]["egfr"].startswith(
            "Observation?patient={{context.patientId}}&code=http://loinc.org|"
        )


def test_a_key_under_another_name(site):
    """A key that comes under an alias is read as ours, with its state in the log; both names make one record."""
    body = asking()
    conditions = body["prefetch"].pop("conditions")
    body["prefetch"]["Problem_List"] = conditions
    with site('prefetch_aliases.conditions = "Problem_List"') as started:
        assert started.says(body) == ["info"]
        assert started.logged()["prefetch"] == {"conditions": "bundle", "procedures": "bundle"}
        assert started.says(asking()) == ["info"]
        for beside in ({"resourceType": "Bundle", "entry": []}, {"resourceType": "Bundle"}, None):
            body["prefetch"]["conditions"] = beside
            assert started.says(body) == ["info"]
        empty = {"resourceType": "Bundle", "entry": []}
        for beside in ({"resourceType": "OperationOutcome"}, 7, [], {"resourceType": "Bundle", "total": 2}):
            for pair in ((empty, beside), (beside, empty)):
                body["prefetch"] |= dict(zip(("conditions", "Problem_List"), pair, strict=True))
                assert started.client.post(body).status_code == 412, pair
        body["prefetch"] |= {"conditions": empty, "Problem_List": empty}
        assert started.says(body) == ["no_history"]
        body["prefetch"]["Problem_List"] = conditions
        del body["prefetch"]["conditions"]
        started.write("")
        response = started.client.post(body)
        assert (response.status_code, "conditions: " in response.text) == (412, True)


def test_the_kill_switch(site):
    """Switched off in the file, the very next call is silent; switched on again, it gets its card again."""
    with site(f"{CARD}off = false") as started:
        for text, says in (
            ("", "info"),
            (f"{CARD}off = true", "rule_off"),
            (f"{CARD}off = false", "info"),
            (f"{CARD}off = true", "rule_off"),
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


SPELLINGS = ["http://www.ama-assn.org/go/cpt", "urn:oid:2.16.840.1.113883.6.12", "2.16.840.1.113883.6.12"]


@pytest.mark.parametrize("in_file", SPELLINGS)
def test_a_system_has_several_spellings(in_file, site):
    """A mapped code is recognised in each spelling of its system that systems.csv has, whichever the file has."""
    body = asking_by_local_code()
    [coding] = body["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"]
    with site(MAPPED.format("lumbar_spine_mri").replace("urn:site:orders", in_file)) as started:
        for coding["system"] in SPELLINGS:
            assert started.says(body) == ["info"], coding
        coding["system"] = "urn:another:system"
        assert started.says(body) == ["nothing_watched"]


@pytest.mark.parametrize(
    "wrong", ["off = ", "of = true", f'{CARD}policy = "narrow"', f"[{CARD}shadow]", "off = true", None]
)
def test_a_file_that_becomes_wrong_changes_nothing(wrong, site):
    """A file that becomes wrong, or goes, while the service runs leaves what was in force, and is logged once."""
    with site(f'{CARD}policy = "focused"') as started:
        started.file.unlink() if wrong is None else started.write(wrong)
        assert started.says(asking("breast cancer")) == ["remote_without_presentation"]
        [note] = [line for line in log_lines(started.caplog) if line["event"].startswith("site_file")]
        assert note["event"] == "site_file_invalid"
        assert "site.toml" in note["error"]
        started.says()
        assert "site_file" not in started.caplog.text
