"""Fast validation of a hook call before its JSON schema, which stays the reference and names what is wrong.

The schema alone costs 27 % of the throughput of a call without a monitored order.
"""

import re
from typing import Any

_STRING_OR_NULL = (str, type(None))
_OBJECT_OR_NULL = (dict, type(None))
_LIST_OR_NULL = (list, type(None))
_PATIENT_ID = re.compile(r"(Patient/)?[A-Za-z0-9._~:-]+")
_MAX_ID_LENGTH = 256


def is_hook_call(body: Any) -> bool:
    """Return whether a body is valid by hook_call.schema.json: exactly where `first_fault` finds nothing."""
    if not isinstance(body, dict):
        return False
    authorization = body.get("fhirAuthorization")
    return (
        _is_text(body.get("hook"))
        and _is_text(body.get("hookInstance"))
        and isinstance(body.get("fhirServer"), _STRING_OR_NULL)
        and isinstance(body.get("prefetch"), _OBJECT_OR_NULL)
        and isinstance(authorization, _OBJECT_OR_NULL)
        and (authorization is None or isinstance(authorization.get("access_token"), _STRING_OR_NULL))
        and _is_context(body.get("context"))
    )


def _is_context(context: Any) -> bool:
    if not isinstance(context, dict):
        return False
    patient_id, drafts = context.get("patientId"), context.get("draftOrders")
    return (
        isinstance(patient_id, str)
        and len(patient_id) <= _MAX_ID_LENGTH
        and _PATIENT_ID.fullmatch(patient_id) is not None
        and isinstance(context.get("selections"), _LIST_OR_NULL)
        and isinstance(drafts, _OBJECT_OR_NULL)
        and (drafts is None or isinstance(drafts.get("entry"), _LIST_OR_NULL))
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
