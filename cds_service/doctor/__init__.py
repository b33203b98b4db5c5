"""`plexus-cds doctor`: checks a deployment from outside, with synthetic patients, by calls marked as trials."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from cds_service import examples
from cds_service.doctor import access, answers, connection
from cds_service.doctor.deployment import DISCOVERY, Deployment, Probe, Result, State
from cds_service.http_client import Unanswered

__all__ = ["Probe", "Result", "State", "examine", "render"]


def examine(urls: Sequence[str], probe: Probe) -> Iterator[tuple[str, Result]]:
    """Yield the results of each base URL as they come, then under no URL those of all together."""
    deployments = [Deployment(url.rstrip("/").removesuffix(DISCOVERY), probe) for url in urls]
    for deployment in deployments:
        for result in _of_deployment(deployment):
            yield deployment.base, result
    yield "", access.key_set(probe)
    yield "", answers.versions(deployments)


def _of_deployment(deployment: Deployment) -> Iterator[Result]:
    """Yield the results of one URL; one that cannot be reached, or is no such service, is not checked further."""
    try:
        answer = connection.first_answer(deployment)
    except Unanswered as error:
        why = "No client gets an answer either; an EHR then goes on without advice."
        todo = "Check address, firewall, proxy and certificate; give --ca-file if the hospital has its own authority."
        yield Result("Connection", State.FAILED, f"Discovery is not answered: {error}.", why, todo)
        return
    yield from _guarded("TLS", lambda: [connection.tls(deployment)])
    yield connection.clock_skew(deployment, answer)
    result, paths = answers.discovery(deployment, answer)
    yield result
    if paths or answer.status == answers.REFUSED:  # any other answer says nothing about tokens
        yield from _guarded("Tokens", partial(access.tokens, deployment))
    if paths:
        yield from _of_service(deployment, paths)


def _of_service(deployment: Deployment, paths: dict[str, str]) -> Iterator[Result]:
    call = examples.example("calls", answers.EXAMPLE, deployment.probe.clock.today())
    path = paths["order-select"]
    content = json.dumps(call).encode()
    yield from answers.example_calls(deployment, paths)
    yield from _guarded("Feedback", lambda: [answers.feedback(deployment, path, call)])
    yield from _guarded("CORS", lambda: [access.cors(deployment, path)])
    yield from _guarded("Body limits", partial(connection.body_limits, deployment, path, content))
    yield from _guarded("Response times", lambda: [connection.response_times(deployment, path, content)])


def _guarded(check: str, run: Callable[[], Iterable[Result]]) -> Iterator[Result]:
    """Yield the results of a check; a call of it that has no answer is a failure of that check alone."""
    try:
        yield from run()
    except (Unanswered, OSError) as error:
        reason = str(error) if isinstance(error, Unanswered) else "the connection failed"
        todo = "Look in the logs of proxy and service for the same moment."
        yield Result(check, State.FAILED, f"A call is not answered: {reason}.", "An EHR then has no advice.", todo)


def render(result: Result) -> str:
    """Return a result as text: a line with what was found, and where it is not ok why it matters and what to do."""
    lines = [f"{result.state.value.upper():<12} {result.check}: {result.found}"]
    if result.state in (State.WARNING, State.FAILED):
        lines += [f"{'':12}   Why it matters: {result.why_it_matters}"] if result.why_it_matters else []
    if result.what_to_do:
        lines.append(f"{'':12}   What to do: {result.what_to_do}")
    return "\n".join(lines)
