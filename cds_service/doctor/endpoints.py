"""Checks of what the service answers: discovery, the shipped examples, feedback, and a read of a FHIR server."""

from collections.abc import Iterator
from datetime import UTC
from http import HTTPStatus
from typing import Any

from cds_service import examples
from cds_service.doctor.deployment import DISCOVERY, Deployment, Result, State, is_outcome
from cds_service.http_client import NoResponse, Response
from cds_service.model import MAIN_KEYS, FetchFault

_GATEWAY_FAULTS = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
EXAMPLE = "article"
_EXPECTED = {
    EXAMPLE: (HTTPStatus.OK, 1),
    "order-sign": (HTTPStatus.OK, 1),
    "prefetch-null": (HTTPStatus.OK, 1),
    "no-cancer": (HTTPStatus.OK, 0),
    "unwatched-order": (HTTPStatus.OK, 0),
    "sandbox-first": (HTTPStatus.OK, 0),
    "nothing-prefetched": (HTTPStatus.PRECONDITION_FAILED, 0),
}
"""The status and the number of cards that each example call gets by default."""


def discovery(deployment: Deployment, response: Response) -> tuple[Result, dict[str, str]]:
    """Check the answer to discovery; returns the path of the service of each hook, too, none where it failed."""
    why = "Clients read there which hooks there are and what to prefetch."
    body = response.json()
    if response.status == HTTPStatus.UNAUTHORIZED:
        todo = "See *Good token*." if deployment.probe.key else "Give --key, --kid and --issuer of a client."
        return Result("Discovery", State.FAILED, "The service refuses the call (401).", why, todo), {}
    if response.status != HTTPStatus.OK or not isinstance(body, dict) or not isinstance(body.get("services"), list):
        content = "no JSON" if body is None else "JSON, but no list of services"
        found = f"{deployment.base}{DISCOVERY} is answered with {response.status} and {_text(response) or content}."
        todo = (
            "Is the service running? A faulty setting or file stops its start: run `plexus-cds check-config` on the "
            "server. With a clients file the store must answer, too: see *Store*."
            if response.status in _GATEWAY_FAULTS
            else "Check URL and proxy: the path /cds-services must reach the service unchanged."
        )
        return Result("Discovery", State.FAILED, found, why, todo), {}
    services = [service for service in body["services"] if isinstance(service, dict)]
    paths = {str(service.get("hook")): f"{DISCOVERY}/{service.get('id')}" for service in services}
    missing = [hook for hook in ("order-select", "order-sign") if hook not in paths]
    if missing:
        todo = "Check that the URL is that of plexus-cds and not of another service."
        return Result("Discovery", State.FAILED, f"No service for {', '.join(missing)}.", why, todo), {}
    keys = {key for service in services for key in service.get("prefetch") or {}}
    optional = sorted(keys - set(MAIN_KEYS))
    extra = f" Also: {', '.join(optional)}." if optional else ""
    return Result("Discovery", State.OK, f"{len(services)} services, with their prefetch.{extra}", why), paths


def _text(response: Response) -> str:
    """Return the text of an OperationOutcome in quotes, or no text; it is the service's own or the proxy's."""
    body = response.json()
    issues = body.get("issue") if isinstance(body, dict) else None
    text = issues[0].get("diagnostics") if isinstance(issues, list) and issues and isinstance(issues[0], dict) else None
    return f'"{text}"' if isinstance(text, str) else ""


def example_calls(deployment: Deployment, paths: dict[str, str]) -> Iterator[Result]:
    """Check the answer to each example call; where the first has no card, the site may be off or in shadow mode."""
    may_be_off = False
    for name, (status, cards) in _EXPECTED.items():
        call = examples.example("calls", name, deployment.probe.clock.today())
        try:
            response = deployment.post(paths[call["hook"]], call)
        except NoResponse as error:
            why = "An EHR then has no advice."
            todo = "Look in the logs of proxy and service for the same moment."
            yield Result(f"Example {name}", State.FAILED, f"It is not answered: {error}.", why, todo)
        else:
            result = _example_result(name, response, status, cards, may_be_off=may_be_off)
            may_be_off = may_be_off or result.state is State.WARNING
            yield result


def _example_result(name: str, response: Response, status: int, cards: int, *, may_be_off: bool) -> Result:
    why = "A card that is missing or wrong here is missing or wrong for patients."
    body = response.json()
    shown = body.get("cards") if isinstance(body, dict) else None
    check = f"Example {name}"
    if response.status == status and (is_outcome(response) if status != HTTPStatus.OK else _count(shown) == cards):
        return Result(check, State.OK, f"As expected: {_words(status, cards)}.", why)
    found = f"Expected {_words(status, cards)}, but it is answered with {_words(response.status, _count(shown))}."
    if response.status == HTTPStatus.OK and _count(shown) == 0 and (cards or may_be_off):
        todo = (
            "If the site file has `off` or `shadow`, this is right (see *Card*); else run `plexus-cds example "
            f"{name} | plexus-cds decide -` on the server, with its site file: it explains the decision."
        )
        return Result(check, State.WARNING, found, why, todo)
    todo = f"Compare with `plexus-cds example {name} | plexus-cds decide -` on the server, with its site file."
    return Result(check, State.FAILED, found, why, todo)


def _count(cards: Any) -> int | None:
    return len(cards) if isinstance(cards, list) else None


def _words(status: int, cards: int | None) -> str:
    if status == HTTPStatus.PRECONDITION_FAILED:
        return "status 412, as there is no record"
    if status != HTTPStatus.OK:
        return f"status {status}"
    return {None: "200 without a list of cards", 0: "no card", 1: "one card"}.get(cards, f"{cards} cards")


def feedback(deployment: Deployment, path: str, call: dict[str, Any]) -> Result:
    """Check that a report on a card that was just shown is stored; both are trials."""
    why = "Reports show whether the advice helps; an EHR that gets errors may stop sending them."
    body = deployment.post(path, call).json()
    cards = body.get("cards") if isinstance(body, dict) else None
    if not isinstance(cards, list) or not cards or not isinstance(cards[0], dict):
        return Result("Feedback", State.NOT_CHECKED, "No card was shown to report on.", why)
    now = deployment.probe.clock.now().astimezone(UTC)
    report = {"card": cards[0].get("uuid"), "outcome": "overridden", "outcomeTimestamp": now.isoformat()}
    response = deployment.post(f"{path}/feedback", {"feedback": [report]})
    found = f"A report on a card is answered with {response.status}."
    if response.status == HTTPStatus.OK:
        return Result("Feedback", State.OK, found, why)
    todo = "503: the store cannot be used, see *Store*. 401 or 404: let the proxy pass the path /feedback."
    return Result("Feedback", State.FAILED, found, why, todo)


_READS = {
    None: (State.OK, "The service reads {server}.", ""),
    FetchFault.REFUSED: (State.OK, "The service reaches {server}, which refuses the doctor's token, as it should.", ""),
    FetchFault.NOT_LISTED: (
        State.FAILED,
        "The service may not read {server}.",
        "Add it, as calls have it in `fhirServer`, to `fhir_servers` in the clients file or PLEXUS_CDS_FHIR_SERVERS.",
    ),
    FetchFault.UNREACHABLE: (
        State.FAILED,
        "The service cannot reach {server}.",
        "Check the network from the service to it, and its certificate (PLEXUS_CDS_CA_FILE).",
    ),
    FetchFault.TOO_SLOW: (
        State.FAILED,
        "{server} does not answer the service in time.",
        "Check the network from the service to it; PLEXUS_CDS_FETCH_SECONDS is the deadline.",
    ),
    FetchFault.NOT_ANSWERED: (
        State.WARNING,
        "{server} answers the service with an error.",
        "Check that this is the base URL, under which /Condition is; with a token of the EHR it may answer.",
    ),
}
"""By what became of the search for Conditions: the state, what was found, and what to do."""


def fhir_server(deployment: Deployment, path: str) -> Result:
    """Check that the service may and can read the FHIR server that calls name, by a call without prefetch."""
    server = deployment.probe.fhir_server
    why = "A call whose prefetch is missing or incomplete is answered from there, or not at all (412)."
    if not server:
        todo = (
            "If the service is to read what is not prefetched, give --fhir-server, the `fhirServer` of the EHR's calls."
        )
        return Result("FHIR server", State.NOT_CHECKED, "No FHIR server was given.", why, todo)
    today = deployment.probe.clock.today()
    call = examples.example("calls", "nothing-prefetched", today) | {"fhirServer": server}
    response = deployment.post(path, call)
    text = response.content.decode(errors="replace")
    fault = next((fault for fault in FetchFault if fault.value in text), None)
    if response.status == HTTPStatus.OK and deployment.post(path, examples.example("calls", EXAMPLE, today)).json() == {
        "cards": []
    }:
        found = "The record is not read, because no card is shown here: see *Example article*."
        return Result("FHIR server", State.NOT_CHECKED, found, why)
    if fault is None and response.status != HTTPStatus.OK:
        found = f"A call without prefetch is answered with {response.status}."
        return Result("FHIR server", State.FAILED, found, why, "Look in the service's log for the same moment.")
    other = (
        State.FAILED,
        "What {server} answers cannot be used: " + f"{fault}.",
        "Check that this is the base URL of a FHIR R4 server.",
    )
    state, found, todo = _READS.get(fault, other)
    return Result("FHIR server", state, found.format(server=server), why, todo)
