"""Sites that have switched on more of the record, and calls that send it."""

from contextlib import ExitStack

import pytest

from cds_service.config.settings import Settings
from cds_service.examples import searchset
from cds_service.web.app import create_app
from tests.support.hook_calls import entries
from tests.support.notation import ENTRIES, MORE, SYSTEMS, call
from tests.support.service import CLOCK, TODAY, Client, log_lines, serving

SERVER = "http://127.0.0.1:9/fhir"
"""A FHIR server that may be read, and where nobody answers."""

SPLIT = '[conditions]\nproblems = "problem-list-item"\nencounter_diagnoses = "encounter-diagnosis"\n'
SITES = {
    "off": "",
    "split": SPLIT,
    "split, with the main key": SPLIT.replace("problems", "conditions"),
    "parts": 'prefetch_aliases.conditions = ["problems", "encounter_diagnoses"]',
    "parts, with the main key": 'prefetch_aliases.conditions = ["conditions", "encounter_diagnoses"]',
    "other parts": """
        prefetch = ["encounters", "devices"]
        [prefetch_aliases]
        procedures = ["surgeries", "treatments"]
        encounters = ["visits", "stays"]
        devices = ["implants", "pumps"]
    """,
    "all": f"prefetch = {list(MORE)}\n{SPLIT}",
    "more": f"prefetch = {list(MORE)}",
    "own codes": f"""
        prefetch = {list(MORE)}
        [[orders]]
        system = "{SYSTEMS["local"]}"
        code = "PLEX-1"
        study = "plexus_mri_with_contrast"
    """,
}
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}
HOSTILE = {
    "a number": 7,
    "a text": "no",
    "a list": [{"resourceType": "Bundle"}],
    "an empty object": {},
    "failed": FAILED,
    "failed within": {"resourceType": "Bundle", "entry": [{"resource": FAILED}]},
    "counted and not there": {"resourceType": "Bundle", "total": 3},
    "of a type that is a list": {"resourceType": ["Bundle"]},
    "a first page": {"resourceType": "Bundle", "link": [{"relation": "next", "url": f"{SERVER}?page=2"}]},
    "wrong types": searchset([{"resourceType": "Patient", "id": "p"}, {"resourceType": "Immunization"}]),
}
"""What a key may hold that is no whole part of a record."""

ODD = {
    "null": None,
    "entries that are none": {"resourceType": "Bundle", "entry": [None, 7, {}, {"resource": None}, {"resource": []}]},
    "an entry that is no list": {"resourceType": "Bundle", "entry": {"resource": 7}},
    "members of odd types": searchset(
        [
            {"resourceType": kind, "id": 7, "type": 7, "serviceType": [7, {"concept": 7}], "code": [[]], "status": [7]}
            | {"period": "2024", "diagnosis": [7, {"condition": 7}], "authoredOn": {}, "occurrencePeriod": 3}
            | {"issued": 1}
            for kind in MORE.values()
        ]
        + [
            {
                "resourceType": "Condition",
                "id": 7,
                "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"}]},
                "stage": 7,
            }
        ]
    ),
}
"""What is read, and holds nothing that can be used."""


class Site:
    """A client of a service with a site file, and what the service logs."""

    def __init__(self, client, caplog) -> None:
        self.client, self.caplog = client, caplog

    def line(self, body) -> dict:
        """Return the line of the log for a call."""
        self.caplog.clear()
        self.caplog.set_level("INFO", "plexus_cds")
        self.response = self.client.post(body)
        return log_lines(self.caplog, "call")[-1]

    def says(self, body) -> str:
        """Return the indicators of the cards of a call, or the reasons for none, or its status."""
        reasons = self.line(body)["reasons"]
        if self.response.status_code != 200:
            return str(self.response.status_code)
        return " ".join([card["indicator"] for card in self.response.json()["cards"]] or reasons)

    def detail(self, body) -> str:
        """Return the text of the one card of a call."""
        [card] = self.client.cards(body)
        return card["detail"]


@pytest.fixture(scope="module")
def clients(knowledge, tmp_path_factory):
    """Give a client for each site file."""
    with ExitStack() as stack:
        by_site = {}
        for name, text in SITES.items():
            file = tmp_path_factory.mktemp("site") / "site.toml"
            file.write_text(text, encoding="utf-8")
            settings = Settings(site_file=str(file), development=True, fhir_servers=SERVER)
            by_site[name] = Client(stack.enter_context(serving(create_app(settings, knowledge, clock=CLOCK))))
        yield by_site


@pytest.fixture
def at(clients, caplog):
    """Give a function that returns a site by its name."""
    return lambda name: Site(clients[name], caplog)


def asking(order="lumbar MRI", without=(), **prefetch) -> dict:
    """Return a call with these keys: each in the notation of the vignettes, or as it stands; all others are empty."""
    body = call({"patient": "", "order": order, "also drafted": ""}, TODAY)
    keys = ("conditions", "problems", "encounter_diagnoses", "procedures", *MORE)
    values = {key: prefetch.get(key, "") for key in keys if key not in without}
    body["prefetch"] = {
        key: searchset(entries(value)) if isinstance(value, str) and _is_notation(value) else value
        for key, value in values.items()
    }
    return body


def _is_notation(text: str) -> bool:
    return not text or text.split(" [", maxsplit=1)[0] in ENTRIES


def split(**prefetch) -> dict:
    """Return a call in which Conditions stand under the keys of the site alone; `...` for a key that is absent."""
    absent = [key for key, value in prefetch.items() if value is ...]
    return asking(without=("conditions", *absent), **prefetch)


CANCER, SIGN = "prostate cancer", "foot drop"
NEVER_412 = "part_not_read"
"""The silence where a part did not come."""
