"""The OpenAPI description stands alone and is true: schemathesis makes requests of it and judges the answers."""

import json

import pytest
import schemathesis
from hypothesis import given
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cds_service.store import Store
from cds_service.store.migration import migrate
from tests.support.databases import serving_with
from tests.support.profiles import examples
from tests.support.service import ORDER_SELECT, ORDER_SIGN, Client

JUDGED_BY = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
HOOKS = (ORDER_SELECT, ORDER_SIGN)
EXAMPLES = dict.fromkeys(HOOKS, 40) | {f"{path}/feedback": 10 for path in HOOKS}
"""How many requests are made of each operation that takes a body; of the others there is only one."""
PLAIN = (
    "/cds-services",
    "/cards/lumbosacral-plexus-mri/source-attributes.json",
    "/livez",
    "/readyz",
    "/metrics",
)


@pytest.fixture(scope="module")
def client(knowledge, tmp_path_factory):
    """Yield a client of a running service with a store of its own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('described')}/store.sqlite3"
    migrate(Store(url))
    with serving_with(url, knowledge) as (found, _):
        yield found


@pytest.fixture(scope="module")
def operations(client) -> dict:
    """Return what the running service describes, by path; schemathesis leaves out the description itself."""
    schema = schemathesis.openapi.from_url(f"{client.base}/openapi.json")
    schema.config.update(base_url=client.base)
    return {operation.ok().path: operation.ok() for operation in schema.get_all_operations()}


def judged(operation, mode: GenerationMode, client: Client, number: int = 1) -> set[int]:
    """Make requests of one operation and judge the answers; returns the statuses that were seen."""
    seen = set()

    @given(case=operation.as_strategy(generation_mode=mode))
    @examples(number)
    def made(case) -> None:
        response = case.call(session=client.session)
        seen.add(response.status_code)
        case.validate_response(response, checks=JUDGED_BY)

    made()
    return seen


def test_every_address_for_machines_is_described(operations):
    """What an integrator or an operator calls is described, and each of the other tests has its part of it."""
    assert operations.keys() == {*EXAMPLES, *PLAIN}


@pytest.mark.parametrize("path", PLAIN)
def test_what_takes_no_body(path, operations, client):
    """What the description says of answers to requests without a body holds."""
    assert judged(operations[path], GenerationMode.POSITIVE, client) == {200}


@pytest.mark.parametrize("path", EXAMPLES)
def test_right_requests(path, operations, client):
    """What the description says of answers to right requests holds."""
    assert 200 in judged(operations[path], GenerationMode.POSITIVE, client, EXAMPLES[path])


@pytest.mark.parametrize("path", EXAMPLES)
def test_wrong_requests(path, operations, client):
    """What the description says of answers to wrong requests holds, and some of them are refused."""
    assert not {400, 422}.isdisjoint(judged(operations[path], GenerationMode.NEGATIVE, client, EXAMPLES[path]))


def example(operation):
    """Return the example of a call that the description has, as a request."""
    content = operation.definition.raw["requestBody"]["content"]["application/json"]
    return operation.Case(body=content["example"], media_type="application/json")


@pytest.mark.parametrize("path", HOOKS)
def test_the_example_gets_a_card(path, operations, client):
    """The call in the description can be sent as it is and gets a card, which is as described."""
    case = example(operations[path])
    response = case.call_and_validate(session=client.session, checks=JUDGED_BY)
    assert len(response.json()["cards"]) == 1


def at_card(change):
    """Return a damage of an answer that changes its card."""
    return lambda answer: reworded(answer, lambda body: change(body["cards"][0]))


def reworded(answer, change) -> None:
    """Change the JSON of an answer."""
    body = answer.json()
    change(body)
    answer._content = json.dumps(body).encode()  # noqa: SLF001 - requests has no other way


WRONG = {
    "a status that is not described": lambda answer: setattr(answer, "status_code", 418),
    "a fault of ours": lambda answer: setattr(answer, "status_code", 500),
    "another media type": lambda answer: answer.raw.headers.update({"Content-Type": "text/html"}),
    "no JSON": lambda answer: setattr(answer, "_content", b"{"),
    "no cards": lambda answer: reworded(answer, lambda body: body.pop("cards")),
    "another member": lambda answer: reworded(answer, lambda body: body.update(systemActions=[])),
    "a long summary": at_card(lambda card: card.update(summary="x" * 140)),
    "no UUID": at_card(lambda card: card.update(uuid="1")),
    "a link that is a script": at_card(lambda card: card["links"][0].update(url="javascript:alert(1)")),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_found(wrong, operations, client):
    """The checks can fail: an answer that is damaged by hand in one way is not as described."""
    case = example(operations[ORDER_SELECT])
    answer = client.post(case.body)
    case.validate_response(answer, checks=JUDGED_BY)
    WRONG[wrong](answer)
    with pytest.raises(FailureGroup):
        case.validate_response(answer, checks=JUDGED_BY)


def references(value) -> list[str]:
    """Return all references in a JSON value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    own = [value["$ref"]] if isinstance(value, dict) and "$ref" in value else []
    return own + [found for _, member in members for found in references(member)]


def test_it_stands_alone(client):
    """The description refers to nothing outside of it, and says where this service is."""
    description = client.get("/openapi.json").json()
    assert {reference.partition("/")[0] for reference in references(description)} == {"#"}
    assert description["openapi"] == "3.1.0"
    assert [server["url"] for server in description["servers"]] == ["http://127.0.0.1:8080"]


def test_its_calls_are_those_of_the_schema(client):
    """A call is described by the very schema by which the service judges it, narrowed to the service's hook."""
    description = client.get("/openapi.json").json()
    for path, hook in zip(HOOKS, ("order-select", "order-sign"), strict=True):
        schema = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["allOf"][1] == {"properties": {"hook": {"const": hook}}}
    assert description["components"]["schemas"]["HookCall"]["required"] == ["hook", "hookInstance", "context"]
