"""Checks of what the service answers: discovery, the shipped examples, feedback, and the versions of its instances."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

from cds_service import __version__, examples
from cds_service.doctor.deployment import DISCOVERY, Deployment, Result, State, is_outcome
from cds_service.http_client import Answer, Unanswered
from cds_service.model import MAIN_KEYS

_OK, REFUSED, _NO_RECORD = 200, 401, 412
_REPEATS = 5
"""Calls for the version: a balancer spreads them over its instances."""

EXAMPLE = "article"
_EXPECTED = {
    EXAMPLE: (_OK, 1),
    "order-sign": (_OK, 1),
    "prefetch-null": (_OK, 1),
    "no-cancer": (_OK, 0),
    "unwatched-order": (_OK, 0),
    "sandbox-first": (_OK, 0),
    "nothing-prefetched": (_NO_RECORD, 0),
}
"""The status and the number of cards that each example call gets by default."""


def discovery(deployment: Deployment, answer: Answer) -> tuple[Result, dict[str, str]]:
    """Check the answer to discovery; returns the path of the service of each hook, too, none where it failed."""
    why = "Clients read there which hooks there are and what to prefetch."
    body = answer.json()
    if answer.status == REFUSED:
        todo = "Give --key, --kid and --issuer of a client; if you did, see docs/authentication.md for the reasons."
        return Result("Discovery", State.FAILED, "The service refuses the call (401).", why, todo), {}
    if answer.status != _OK or not isinstance(body, dict) or not isinstance(body.get("services"), list):
        what = "no JSON" if body is None else "JSON, but no list of services"
        found = f"{deployment.base}{DISCOVERY} is answered with {answer.status} and {what}."
        todo = "Check URL and proxy: the path /cds-services must reach the service unchanged."
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


def example_calls(deployment: Deployment, paths: dict[str, str]) -> Iterator[Result]:
    """Check the answer to each example call."""
    for name, (status, cards) in _EXPECTED.items():
        call = examples.example("calls", name, deployment.probe.clock.today())
        try:
            answer = deployment.post(paths[call["hook"]], call)
        except Unanswered as error:
            yield Result(f"Example {name}", State.FAILED, f"It is not answered: {error}.", "", "Look in the log.")
        else:
            yield _example_result(name, answer, status, cards)


def _example_result(name: str, answer: Answer, status: int, cards: int) -> Result:
    why = "A card that is missing or wrong here is missing or wrong for patients."
    body = answer.json()
    shown = body.get("cards") if isinstance(body, dict) else None
    check = f"Example {name}"
    if answer.status == status and (is_outcome(answer) if status != _OK else _count(shown) == cards):
        return Result(check, State.OK, f"As expected: {_words(status, cards)}.", why)
    found = f"Expected {_words(status, cards)}, but it is answered with {_words(answer.status, _count(shown))}."
    if answer.status == status == _OK and _count(shown) == 0:
        todo = (
            "If the site file has `off` or `shadow`, this is right; else run `plexus-cds example` and `decide` there."
        )
        return Result(check, State.WARNING if cards else State.FAILED, found, why, todo)
    todo = "Compare with `plexus-cds example NAME | plexus-cds decide -` on the server, with its site file."
    return Result(check, State.FAILED, found, why, todo)


def _count(cards: Any) -> int | None:
    return len(cards) if isinstance(cards, list) else None


def _words(status: int, cards: int | None) -> str:
    if status != _OK:
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
    answer = deployment.post(f"{path}/feedback", {"feedback": [report]})
    found = f"A report on a card is answered with {answer.status}."
    if answer.status == _OK:
        return Result("Feedback", State.OK, found, why)
    todo = "503: the store cannot be used, see `store` in /readyz. 401 or 404: let the proxy pass the path /feedback."
    return Result("Feedback", State.FAILED, found, why, todo)


def versions(deployments: Sequence[Deployment]) -> Result:
    """Check that all instances, behind all URLs, answer with one version, and that it is this one."""
    why = "Instances of several versions give one patient different advice."
    seen: set[str] = set()
    unread = 0
    for deployment in deployments:
        for _ in range(_REPEATS):
            try:
                body = deployment.send("GET", "/openapi.json").json()
            except Unanswered:
                body = None
            version = body.get("info", {}).get("version") if isinstance(body, dict) else None
            seen |= {str(version)} if version else set()
            unread += not version
    calls = _REPEATS * len(deployments)
    if not seen:
        todo = "Let the proxy pass /openapi.json."
        return Result("Versions", State.NOT_CHECKED, "/openapi.json is not answered.", why, todo)
    found = f"{calls} calls: {', '.join(sorted(seen))}; this doctor is {__version__}."
    if len(seen) > 1:
        return Result("Versions", State.FAILED, found, why, "Finish the update of all instances.")
    if seen != {__version__} or unread:
        todo = (
            "Use the doctor of the same version, or update the service." if not unread else "Find who did not answer."
        )
        return Result("Versions", State.WARNING, found, why, todo)
    return Result("Versions", State.OK, found, why)
