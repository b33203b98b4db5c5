"""The service with every short cut taken away that makes it quick, and its answers without what passes."""

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from flask import Flask

from cds_service.decision import findings, orders, request
from cds_service.decision.references import ReferenceResolver
from cds_service.knowledge.terminology import UNREAD, Terminology
from cds_service.knowledge.text_matchers import OrderTextMatcher
from cds_service.knowledge.typed_text.prefilter import Prefilter
from cds_service.strict_json import reference_json
from cds_service.web import request_body
from tests.support.service import ORDER_SELECT, ORDER_SIGN

PASSING = ("time", "duration_ms", "phases_ms")
"""What in a log line is of the moment and not of the call."""

UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Matters(dict):
    """The terms of an entry that is not passed over, even if there are none."""

    def __bool__(self) -> bool:
        """Say that they matter."""
        return True


class PassesNothingOver(Terminology):
    """Says of every entry whose code is of a known system that its terms matter."""

    def lookup(self, codings) -> Matters:
        """Return the terms of some codings by family; whether any could be read is what it is."""
        terms = super().lookup(codings)
        return UNREAD if terms is UNREAD else Matters(terms)


class Gathered(ReferenceResolver):
    """Names all that a reason may refer to before it is asked."""

    def __init__(self, *given) -> None:
        super().__init__(*given)
        assert self.get("nothing") is None


@contextmanager
def slowly(service):
    """Take every short cut away from the service."""
    services = service.services
    knowledge = services.knowledge
    terminology = PassesNothingOver(knowledge.terminology.families, knowledge.known_systems)
    plain = replace(services, knowledge=replace(knowledge, terminology=terminology))
    with pytest.MonkeyPatch.context() as patch:
        app = service.client.application
        patch.setitem(app.extensions, "plexus_cds", plain)
        patch.setattr(app, "wsgi_app", partial(Flask.wsgi_app, app))
        patch.setattr(request_body, "strict_json", reference_json)
        patch.setattr(request, "is_hook_call", lambda _: False)
        patch.setattr(OrderTextMatcher, "names_plexus", lambda *_: True)
        every_topic = knowledge.reason_words.prefilter.topics("eGFR")
        patch.setattr(Prefilter, "topics", lambda *_: every_topic)
        patch.setattr(Prefilter, "may_open_in_doubt", lambda *_: True)
        for module in (findings, orders):
            patch.setattr(module, "ReferenceResolver", Gathered)
        yield


def answered(service, content, path=ORDER_SELECT):
    """Return an answer without its UUIDs, and its log line without what passes."""
    service.lines.clear()
    response = service.client.post(path, data=content, headers={"Content-Type": "application/json"})
    lines = [json.loads(line) for line in service.lines if '"store_write_failed"' not in line]
    kept = [{name: value for name, value in line.items() if name not in PASSING} for line in lines]
    return response.status_code, UUID.sub(b"UUID", response.get_data()), kept


def path_of(call) -> str:
    """Return where a call goes."""
    return ORDER_SIGN if isinstance(call, dict) and call.get("hook") == "order-sign" else ORDER_SELECT
