"""`plexus-cds doctor`: checks a deployment from outside, with synthetic patients, by calls marked as trials."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from http import HTTPStatus

from cds_service import examples
from cds_service.doctor import access, connection, endpoints, instances
from cds_service.doctor.deployment import DISCOVERY, Deployment, Probe, Result, State
from cds_service.http_client import NoResponse

_ENDPOINT = re.compile(rf"{DISCOVERY}(/[^/]+)?(/feedback)?\Z")
"""What follows the base URL in that of discovery, of a hook, or of its feedback."""

__all__ = ["Probe", "State", "examine", "render"]


def examine(urls: Sequence[str], probe: Probe, instance_urls: Sequence[str]) -> Iterator[tuple[str, Result]]:
    """Yield the results of each base URL as they come, then of each single instance, then under no URL those of all."""
    deployments, single = ([_at(url, probe) for url in group] for group in (urls, instance_urls))
    answering = []
    for check, group in ((_of_deployment, deployments), (_of_instance, single)):
        for deployment in group:
            is_answering = True
            for result in check(deployment):
                is_answering = is_answering and result.check != connection.CONNECTION
                yield deployment.base, result
            answering += [deployment] * is_answering
    yield "", access.key_set(probe)
    if answering:
        yield from (("", result) for result in instances.versions(answering))


def _at(url: str, probe: Probe) -> Deployment:
    return Deployment(_ENDPOINT.sub("", url.rstrip("/")), probe)


def _of_deployment(deployment: Deployment) -> Iterator[Result]:
    """Yield the results of one URL; one that cannot be reached, or is no such service, is not checked further."""
    try:
        response = connection.first_response(deployment)
    except NoResponse as error:
        yield connection.unanswered(error)
        return
    yield from _guarded("TLS", lambda: [connection.tls(deployment)])
    yield connection.clock_skew(deployment, response)
    yield from instances.readiness(deployment)
    result, paths = endpoints.discovery(deployment, response)
    yield result
    if paths or response.status == HTTPStatus.UNAUTHORIZED:  # any other answer says nothing about tokens
        yield from _guarded("Public URL", lambda: [access.public_url(deployment)])
        yield from _guarded("Tokens", partial(access.tokens, deployment))
    if paths:
        yield from _of_service(deployment, paths)


def _of_instance(instance: Deployment) -> Iterator[Result]:
    """Yield what one instance, called without balancer and proxy, reports of itself."""
    try:
        response = instance.send("GET", "/livez")
    except NoResponse as error:
        yield connection.unanswered(error)
        return
    yield connection.clock_skew(instance, response)
    yield from instances.readiness(instance)


def _of_service(deployment: Deployment, paths: dict[str, str]) -> Iterator[Result]:
    call = examples.example("calls", endpoints.EXAMPLE, deployment.probe.clock.today())
    path = paths["order-select"]
    content = json.dumps(call).encode()
    yield from endpoints.example_calls(deployment, paths)
    yield from _guarded("Feedback", lambda: [endpoints.feedback(deployment, path, call)])
    yield from _guarded("FHIR server", lambda: [endpoints.fhir_server(deployment, path)])
    yield from _guarded("CORS", lambda: [access.cors(deployment, path)])
    yield from _guarded("Body limits", partial(connection.body_limits, deployment, path, content))
    yield from _guarded("Response times", lambda: [connection.response_times(deployment, path, content)])


def _guarded(check: str, run: Callable[[], Iterable[Result]]) -> Iterator[Result]:
    """Yield the results of a check; a call of it that has no answer is a failure of that check alone."""
    try:
        yield from run()
    except (NoResponse, OSError) as error:
        reason = str(error) if isinstance(error, NoResponse) else "the connection failed"
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
