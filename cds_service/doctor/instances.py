"""Checks of what instances report of themselves: whether they are ready, what is in use there, and their versions."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cds_service import __version__
from cds_service.doctor.deployment import Deployment, Result, State
from cds_service.http_client import NoResponse

_CALLS = 8
"""Calls for one check, each on a new connection: a balancer spreads them over its instances."""

_READY = "/readyz"
_RULES = "/cards/lumbosacral-plexus-mri/source-attributes.json"
_CHECK_CONFIG = "Run `plexus-cds check-config` on the server: it prints each fault with its line."
_NO_RESTART = "The change has no effect, and the service would not start again with this file."


class _Finding(NamedTuple):
    """What one value in /readyz means."""

    state: State
    found: str
    what_to_do: str = ""


class _Member(NamedTuple):
    """One member of /readyz (docs/operations.md, "Probes"), with the meaning of its values."""

    check: str
    why: str
    values: Mapping[str, _Finding]

    def finding(self, value: str) -> _Finding:
        """Return the meaning of a value."""
        unknown = _Finding(State.WARNING, f"It reports {value}.", "Use the doctor of the service's own version.")
        return self.values.get(value, unknown)


_MEMBERS = {
    "card": _Member(
        "Card",
        "While the card is off or in shadow mode, no clinician sees it.",
        {
            "on": _Finding(State.OK, "The card is on."),
            "off": _Finding(
                State.WARNING,
                "The card is off (kill switch).",
                "If this is not meant, set `off = false` in the site file; no restart is needed.",
            ),
            "shadow": _Finding(
                State.WARNING,
                "Shadow mode: calls are decided and logged, but no card is shown.",
                "If this is not meant, delete the card's `shadow` table in the site file; no restart is needed.",
            ),
        },
    ),
    "site_file": _Member(
        "Site file",
        _NO_RESTART,
        {
            "none": _Finding(State.OK, "There is no site file: the defaults apply."),
            "read": _Finding(State.OK, "The site file is valid and in use."),
            "wrong": _Finding(
                State.FAILED, "The site file was changed and is invalid; its previous version is in use.", _CHECK_CONFIG
            ),
        },
    ),
    "clients_file": _Member(
        "Clients file",
        f"{_NO_RESTART} A client that you removed may still call.",
        {
            "none": _Finding(State.OK, "There is no clients file: calls need no token."),
            "read": _Finding(State.OK, "The clients file is valid and in use."),
            "wrong": _Finding(
                State.FAILED,
                "The clients file was changed and is invalid; its previous version is in use.",
                _CHECK_CONFIG,
            ),
        },
    ),
    "store": _Member(
        "Store",
        "Cards and feedback are not stored; with a clients file every call is refused (503) as well.",
        {
            "ready": _Finding(State.OK, "The store can be used."),
            "not_migrated": _Finding(
                State.FAILED,
                "The store's tables are missing, or those of an older version.",
                "Run `plexus-cds migrate` on the server, with its settings.",
            ),
            "unreachable": _Finding(
                State.FAILED,
                "The store does not answer.",
                "Check PLEXUS_CDS_STORE_URL, the database, and the network between service and database.",
            ),
        },
    ),
}


def readiness(instance: Deployment) -> Iterator[Result]:
    """Check what /readyz reports, in several calls; a proxy need not pass it."""
    why = "It reports whether the service can answer, whether the card is on, and which files are in use."
    bodies = [_json_at(instance, _READY) for _ in range(_CALLS)]
    reports = [body for body in bodies if body and "status" in body]
    if not reports:
        todo = "That is right for a proxy. Give --instance with the URL of each instance behind it, to see its state."
        yield Result("Readiness", State.NOT_CHECKED, f"{_READY} cannot be read at this URL.", why, todo)
        return
    why = "A load balancer sends no calls to an unready instance, and those that reach it fail."
    yield _result("Readiness", why, [_readiness(report) for report in reports])
    for name, member in _MEMBERS.items():
        yield _result(member.check, member.why, [member.finding(str(report.get(name))) for report in reports])
    if any("unmapped" in report for report in reports):
        yield _result("Unmapped studies", _UNMAPPED, [_unmapped(report) for report in reports])


_UNMAPPED = "In the dialect `epic` the card has no button for these studies: the clinician must search for them."


def _readiness(report: Mapping[str, Any]) -> _Finding:
    """Return the meaning of `status`, and of `fault` where it is unready."""
    if report["status"] == "ready":
        return _Finding(State.OK, "It is ready: it decides an example call correctly.")
    fault = str(report.get("fault"))
    if fault == "replay_memory":
        found = "It is unready (`replay_memory`): used tokens cannot be looked up, so every call is refused (503)."
        return _Finding(State.FAILED, found, "See *Store*: it must answer, with the tables of this version.")
    found = f"It is unready: the example call ends in an error of the service ({fault})."
    todo = (
        "Install a released version with its own rule content; report it, with the log's lines `fault`, if that is one."
    )
    return _Finding(State.FAILED, found, todo)


def _unmapped(report: Mapping[str, Any]) -> _Finding:
    studies = report.get("unmapped")
    if not isinstance(studies, list) or not studies:
        return _Finding(State.OK, "Each study has a code in the site file.")
    found = f"The site file has no code for {', '.join(map(str, studies))}."
    todo = "Map each under [cards.lumbosacral-plexus-mri.propose.STUDY] in the site file to its code in the EHR."
    return _Finding(State.WARNING, found, todo)


def _result(check: str, why: str, findings: Sequence[_Finding]) -> Result:
    """Return one result of several calls: the worst state, and where they differ how many found what."""
    counts = Counter(findings)
    if len(counts) == 1:
        return Result(check, findings[0].state, findings[0].found, why, findings[0].what_to_do)
    found = " ".join(f"In {number} of {len(findings)} calls: {finding.found}" for finding, number in counts.items())
    todos = [finding.what_to_do for finding in counts if finding.what_to_do]
    worst = max((finding.state for finding in counts), key=[State.OK, State.WARNING, State.FAILED].index)
    todo = " ".join(["Instances differ: find those that report this (--instance URL).", *todos])
    return Result(check, State.FAILED if worst is State.FAILED else State.WARNING, found, why, todo)


def versions(instances: Sequence[Deployment]) -> Iterator[Result]:
    """Check that all instances, behind all URLs, have one version of the service, this one, and of the rule content."""
    why = "Instances of several versions give one patient different advice."
    software = {instance.base: [_software(instance) for _ in range(_CALLS)] for instance in instances}
    yield _versions("Versions", software, why, "/openapi.json", __version__)
    rules = {instance.base: [_rules(instance) for _ in range(_CALLS)] for instance in instances}
    yield _versions("Rule versions", rules, why, _RULES)


def _software(instance: Deployment) -> str | None:
    body = _json_at(instance, "/openapi.json") or {}
    information = body.get("info")
    return information.get("version") if isinstance(information, dict) else None


def _rules(instance: Deployment) -> str | None:
    return (_json_at(instance, _RULES) or {}).get("version")


def _versions(
    check: str, versions_by_url: Mapping[str, list[str | None]], why: str, path: str, own: str | None = None
) -> Result:
    """Return the result for the versions that the calls of each URL showed; `own` is the doctor's."""
    every = {version for versions in versions_by_url.values() for version in versions}
    if every == {None}:
        todo = f"The proxy must pass {path}; if *Discovery* failed, see there first."
        return Result(check, State.NOT_CHECKED, f"{path} cannot be read.", why, todo)
    by_url = "; ".join(_counted(url, versions) for url, versions in versions_by_url.items())
    versions_seen = sorted(str(version) for version in every if version)
    doctor = f" This doctor is {own}." if own else ""
    if len(versions_seen) > 1:
        found = f"They differ. {by_url}.{doctor}"
        todo = "Finish the update: install one version, with one set of card files, on all instances; restart them."
        return Result(check, State.FAILED, found, why, todo)
    calls = f"{_CALLS} calls" + (f" of each of {len(versions_by_url)} URLs" if len(versions_by_url) > 1 else "")
    if None in every:
        found = f"Some calls were not answered. {by_url}."
        return Result(check, State.WARNING, found, why, f"Find the instance that does not answer {path}.")
    found = f"{versions_seen[0]} in {calls}.{doctor}"
    if own and versions_seen != [own]:
        return Result(check, State.WARNING, found, why, "Use the doctor of the same version, or update the service.")
    return Result(check, State.OK, found, why)


def _counted(url: str, versions: Sequence[str | None]) -> str:
    """Return how many of the calls of a URL showed which version."""
    counts = Counter(version or "no answer" for version in versions)
    return f"{url}: " + ", ".join(
        f"{version} in {number} of {len(versions)} calls" for version, number in counts.items()
    )


def _json_at(instance: Deployment, path: str) -> dict[str, Any] | None:
    """Return the JSON object at a path, None where there is no answer, or another one."""
    try:
        body = instance.send("GET", path).json()
    except NoResponse:
        return None
    return body if isinstance(body, dict) else None
