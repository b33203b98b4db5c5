"""Tells in a moment that a body is what a schema asks for; the schema stays the reference, and says what is wrong."""

import re
from typing import Any

_TEXT = (str, type(None))
_OBJECT = (dict, type(None))
_LIST = (list, type(None))
_PATIENT_ID = re.compile(r"(Patient/)?[A-Za-z0-9._~:-]+")
_LONGEST_ID = 256


def is_call(body: Any) -> bool:
    """Tell whether a body is right by hook_call.schema.json."""
    if not isinstance(body, dict):
        return False
    authorization = body.get("fhirAuthorization")
    return (
        _is_said(body.get("hook"))
        and _is_said(body.get("hookInstance"))
        and isinstance(body.get("fhirServer"), _TEXT)
        and isinstance(body.get("prefetch"), _OBJECT)
        and isinstance(authorization, _OBJECT)
        and (authorization is None or isinstance(authorization.get("access_token"), _TEXT))
        and _is_context(body.get("context"))
    )


def _is_context(context: Any) -> bool:
    if not isinstance(context, dict):
        return False
    patient_id, drafts = context.get("patientId"), context.get("draftOrders")
    return (
        isinstance(patient_id, str)
        and len(patient_id) <= _LONGEST_ID
        and _PATIENT_ID.fullmatch(patient_id) is not None
        and isinstance(context.get("selections"), _LIST)
        and isinstance(drafts, _OBJECT)
        and (drafts is None or isinstance(drafts.get("entry"), _LIST))
    )


def _is_said(value: Any) -> bool:
    return isinstance(value, str) and value != ""
