"""What CDS Hooks 2.0.1 asks of discovery and of prefetch templates: functions that return lists of faults."""

import re
from collections import Counter
from collections.abc import Iterator

from tests.spec.body_checks import value_faults

TOKENS = r"context\..+|userPractitionerId|userPractitionerRoleId|userPatientId|userRelatedPersonId"
ROOT_TOKENS = ("userId", "patientId", "encounterId")
"""The members of order-select's and order-sign's context that may be tokens."""
PARAMETERS = r"(_count|_sort|[a-z][a-z-]*(:in)?)"
"""The recommended subset: references, tokens (also `:in`), dates; never a chain, _include or another modifier."""
PUBLISHED = {"order-select": "1.0", "order-sign": "1.0"}
"""The versions of the hooks as published."""
Faults = Iterator[str]


def discovery_faults(body) -> list[str]:
    """Return what is wrong with the answer of discovery."""
    services = body.get("services") if isinstance(body, dict) else None
    if not isinstance(services, list) or not all(isinstance(service, dict) for service in services):
        return ["D-02 services: is no list of objects"]
    faults = value_faults(services, "services") if services else []
    ids = Counter(service.get("id") for service in services)
    faults += [f"D-10 services: {count} have one id" for count in ids.values() if count > 1]
    return faults + [fault for service in services for fault in _service(service)]


def template_faults(template) -> list[str]:
    """Return what is wrong with one prefetch template."""
    if not isinstance(template, str) or not template:
        return ["D-08 prefetch: a template is no text"]
    faults = [fault for token in re.findall(r"{{(.*?)}}", template) for fault in _token(token)]
    rest = re.sub(r"{{.*?}}", "ID", template)
    if re.search(r"[{}]", rest):
        faults.append(f"P-16 {template}: a token is not between double braces")
        return faults
    return faults + list(_query(rest))


def _service(service) -> Faults:
    for requirement, name in (("D-04", "hook"), ("D-05", "title"), ("D-06", "description"), ("D-07", "id")):
        if not isinstance(service.get(name), str):
            yield f"{requirement} service.{name}: is no text"
    if not re.fullmatch(r"[A-Za-z0-9._~-]+", str(service.get("id"))):
        yield "D-07 service.id: cannot be a part of an address"
    if not isinstance(service.get("usageRequirements", ""), str):
        yield "D-09 service.usageRequirements: is no text"
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", service.get("version", "2.0.1")):
        yield "D-13 service.version: is no version of CDS Hooks"
    if service.get("hookVersion") not in (None, PUBLISHED.get(service.get("hook"))):
        yield "D-14 service.hookVersion: is not the published one"
    prefetch = service.get("prefetch", {})
    if not isinstance(prefetch, dict):
        yield "D-08 service.prefetch: is no object"
        return
    for template in prefetch.values():
        yield from template_faults(template)


def _token(token: str) -> Faults:
    path = token.removeprefix("context.")
    if token.startswith("%"):
        yield f"P-34 {token}: rests on another prefetch"
    elif path == token and token in ROOT_TOKENS:
        yield f"P-19 {token}: lacks `context.`"
    elif not re.fullmatch(TOKENS, token):
        yield f"P-17 {token}: is no token"
    elif path in ("selections", "draftOrders"):
        yield f"P-20 {token}: cannot be a token"
    elif path != token and path not in ROOT_TOKENS:
        yield f"P-18 {token}: is no plain member of the context"


def _query(template: str) -> Faults:
    """Tell what lies outside of the recommended queries in a template without its tokens."""
    address, _, query = template.partition("?")
    shape = r"[A-Z][A-Za-z]+" if query else r"[A-Z][A-Za-z]+/ID"
    if not re.fullmatch(shape, address):
        yield f"P-21 {template}: is neither a read nor a search of one type"
    names = [parameter.partition("=")[0] for parameter in query.split("&") if query]
    for name, count in Counter(names).items():
        if count > 1:
            yield f"P-21 {name}: comes twice, which some clients fold into one"
        if not re.fullmatch(PARAMETERS, name):
            yield f"P-21 {name}: is no parameter that every client knows"
    if re.search(r"=(ne|sa|eb|ap)\d", query):
        yield f"P-21 {template}: compares dates as few clients can"
