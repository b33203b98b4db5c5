"""The service without sockets, and the decision without the service: for runs that ask the same thousands of times.

`pytest --in-process` calls the application in this process, reads the knowledge once, and validates the same JSON once.
"""

import gzip
import pickle
import tomllib
from collections.abc import Callable
from datetime import date
from functools import cache, wraps
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from werkzeug.test import Client as Caller

from cds_service.config.settings import Settings
from cds_service.config.site_file import SiteFile, effective_site
from cds_service.decision.order_select import decide
from cds_service.fhir import validation as fhir_validation
from cds_service.knowledge import Knowledge
from cds_service.knowledge import validation as knowledge_validation
from cds_service.model import Decision, Pages, Site
from cds_service.validation_stamp import checked_knowledge
from tests.support.notation import SITES, call

HOST = ".in-process"


class InProcess(BaseAdapter):
    """Takes requests to the applications that were given to it, each under a base URL of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.is_on = False
        self.apps: list[Any] = []

    def base(self, app: Any) -> str:
        """Return the base URL at which an application answers."""
        self.apps.append(app)
        return f"http://{len(self.apps) - 1}{HOST}"

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Answer one request."""
        host, _, path = request.url.removeprefix("http://").partition("/")
        caller = Caller(self.apps[int(host.partition(".")[0])])
        answer = caller.open(
            f"/{path}", method=request.method, headers=dict(request.headers), data=request.body, buffered=True
        )
        response = requests.Response()
        response.status_code, response.url, response.request = answer.status_code, request.url, request
        response.headers.update(answer.headers)
        content = answer.get_data()
        if answer.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        response.raw = BytesIO(content)
        return response

    def close(self) -> None:
        """Do nothing: there is nothing open."""


ADAPTER = InProcess()
knowledge_read_once = cache(checked_knowledge)


def remembering(check: Callable[..., Any]) -> Callable[..., Any]:
    """Return a check that is made only once of equal arguments."""
    known: dict[bytes, Any] = {}

    @wraps(check)
    def remembered(*arguments: Any) -> Any:
        key = pickle.dumps(arguments)
        if key not in known:
            known[key] = check(*arguments)
        return known[key]

    return remembered


@cache
def check_once() -> None:
    """Let the same JSON be held against a schema, or against FHIR, once and for all: most tests load the same cards."""
    knowledge_validation.first_fault = remembering(knowledge_validation.first_fault)
    fhir_validation.faults = remembering(fhir_validation.faults)


def switch_on() -> None:
    """Let no socket be opened."""
    ADAPTER.is_on = True


@cache
def site_of(name: str, card_id: str, today: date) -> Site:
    """Return what a site of the vignettes has set."""
    return effective_site(Settings(), SiteFile.model_validate(tomllib.loads(SITES.get(name, ""))), card_id, today)


def decided(row: dict[str, str], knowledge: Knowledge, today: date, body: dict[str, Any] | None = None) -> Decision:
    """Return the decision on the call of a vignette (or on `body` in its place), without a FHIR server to ask."""
    return decide(
        call(row, today) if body is None else body,
        "order-sign" if row["call"] == "order-sign" else "order-select",
        knowledge,
        site_of(row["site"], knowledge.card_id, today),
        today=today,
        fetch=lambda _, searches: [Pages((), "not in this test") for _ in searches],
        new_id=lambda: "",
    )
