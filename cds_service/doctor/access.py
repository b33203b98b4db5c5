"""Checks of who may call: tokens, browsers (CORS), and the client's key set."""

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from cds_service.auth.public_keys import KeySet, read_key_set
from cds_service.auth.signing import SigningKey
from cds_service.doctor.connection import is_this_machine
from cds_service.doctor.deployment import DISCOVERY, Deployment, Probe, Result, State
from cds_service.http_client import NoResponse, send

_HOUR = 3600
_LIFETIME = 900
"""Seconds: the longest that a token may live by default."""
_SHIFTS = (0, -15, 15, -30, 30, -45, 45, -60)
"""Minutes: tokens for these moments, each good for 17 minutes, find a clock that is off by an hour."""
_PUBLIC_URL = "Public URL"
_REPLAYED = "Replayed token"
_ONE_STORE = (
    "Give all instances the same PLEXUS_CDS_STORE_URL: those that share no store accept a token once each. If other "
    "bad tokens are accepted as well, set PLEXUS_CDS_CLIENTS_FILE."
)
_NO_CALLS = "Without it no call of this client is answered."
_LOG = "The service's log has the `reason` in a line `auth_refused`; docs/authentication.md says how to fix each."


def public_url(deployment: Deployment) -> Result:
    """Check that the service knows the URL by which it is called; /openapi.json names it."""
    why = "Tokens must name it in `aud`, and the card's links lead there."
    body = deployment.send("GET", "/openapi.json").json()
    servers = body.get("servers") if isinstance(body, dict) else None
    published_url = (
        servers[0].get("url") if isinstance(servers, list) and servers and isinstance(servers[0], dict) else None
    )
    if not isinstance(published_url, str):
        return Result(_PUBLIC_URL, State.NOT_CHECKED, "/openapi.json does not name it.", why)
    if published_url == deployment.base:
        return Result(_PUBLIC_URL, State.OK, "The service's own URL is the one that is called.", why)
    found = f"The service's own URL is {published_url}, but {deployment.base} is called."
    if deployment.probe.key is None and is_this_machine(published_url) and is_this_machine(deployment.base):
        return Result(_PUBLIC_URL, State.OK, f"{found} Both are of this machine.", why)
    todo = "Set PLEXUS_CDS_PUBLIC_URL to exactly the URL that clients call, or give the doctor that URL."
    return Result(_PUBLIC_URL, State.FAILED if deployment.probe.key else State.WARNING, found, why, todo)


def tokens(deployment: Deployment) -> Iterator[Result]:
    """Check that no call is answered without a good token, and that each token counts once."""
    why = "Whoever gets an answer without a token can call as an EHR, and use up its rate limit."
    status = deployment.send("GET", DISCOVERY).status
    yield _refusal(deployment, "No token", "Without a token", status, why)
    key = deployment.probe.key
    if key:
        yield from _signed_tokens(deployment, key)
    else:
        found = "No key was given, so no token was tried."
        todo = "Give --key FILE, --kid and --issuer of a client in the clients file."
        yield Result("Tokens", State.NOT_CHECKED, found, "", todo)


def _signed_tokens(deployment: Deployment, key: SigningKey) -> Iterator[Result]:
    claims = deployment.claims(DISCOVERY)
    token = key.sign(claims)
    status = deployment.send("GET", DISCOVERY, token=token).status
    if status != HTTPStatus.OK:
        yield _good_token_refused(deployment, key, claims, status)
        return
    found = f"A good token for {claims['aud']} is answered with {status}."
    yield Result("Good token", State.OK, found, _NO_CALLS)
    past = {"iat": claims["iat"] - 2 * _HOUR, "exp": claims["exp"] - 2 * _HOUR}
    refused = {
        _REPLAYED: ("With the same token again", token, "A token that was read on the way could be used again."),
        "Expired token": (
            "With a token of two hours ago",
            key.sign({**deployment.claims(DISCOVERY), **past}),
            "A token that leaks would count for ever.",
        ),
        "Wrong audience": (
            "With a token for another URL",
            key.sign({**deployment.claims(DISCOVERY), "aud": f"{deployment.base}/elsewhere"}),
            "Who gets a token of this client for something else could use it here.",
        ),
        "Wrong signature": (
            "With a token signed by another key",
            key.another().sign(deployment.claims(DISCOVERY)),
            "Anyone could sign as this client.",
        ),
    }
    for check, (name, bad_token, bad_why) in refused.items():
        result = _refusal(deployment, check, name, deployment.send("GET", DISCOVERY, token=bad_token).status, bad_why)
        yield replace(result, what_to_do=_ONE_STORE) if check == _REPLAYED and "with 200" in result.found else result


def _good_token_refused(deployment: Deployment, key: SigningKey, claims: dict[str, Any], status: int) -> Result:
    """Return the failure of a good token; where one of another moment is accepted, the service's clock is off."""
    for minutes in _SHIFTS if status == HTTPStatus.UNAUTHORIZED else ():
        start = claims["iat"] + 60 * minutes
        token = key.sign({**deployment.claims(DISCOVERY), "iat": start, "exp": start + _LIFETIME})
        if deployment.send("GET", DISCOVERY, token=token).status == HTTPStatus.OK:
            off = f"{max(minutes - 1, 1)} to {minutes + 16} minutes ahead"
            if minutes < 0:
                off = f"{max(-minutes - 16, 1)} to {1 - minutes} minutes behind"
            found = f"A good token is refused, one for another time accepted: the service's clock is {off}."
            todo = "Synchronize the clock of the service's machine (NTP), and that of this one."
            return Result("Good token", State.FAILED, found, _NO_CALLS, todo)
    found = f"A good token for {claims['aud']} is answered with {status}."
    todo = (
        f"{_LOG} Most often: `audience` - see *Public URL*; `issuer` - as in the clients file; `unknown_key`, "
        "`keys_unreachable` - see *Key set*."
        if status == HTTPStatus.UNAUTHORIZED
        else "Look in the service's log for the same moment; 503: see *Store*."
    )
    return Result("Good token", State.FAILED, found, _NO_CALLS, todo)


def _refusal(deployment: Deployment, check: str, name: str, status: int, why: str) -> Result:
    """Return the result of a call that must be refused; an open service on this machine is meant to be open."""
    found = f"{name} discovery is answered with {status}."
    if status == HTTPStatus.UNAUTHORIZED:
        return Result(check, State.OK, found, why)
    if status == HTTPStatus.OK and deployment.probe.key is None and is_this_machine(deployment.base):
        return Result(check, State.OK, f"{found} The service is open to this machine.", why)
    if status == HTTPStatus.OK and deployment.probe.key is None:
        todo = "Set PLEXUS_CDS_CLIENTS_FILE, unless only known clients reach this URL."
        return Result(check, State.WARNING, found, why, todo)
    todo = (
        "Set PLEXUS_CDS_CLIENTS_FILE; look in the service's log for who was let in."
        if status == HTTPStatus.OK
        else _LOG
    )
    return Result(check, State.FAILED, found, why, todo)


def cors(deployment: Deployment, path: str) -> Result:
    """Check that a browser on a page of the origin may call."""
    origin = deployment.probe.origin
    why = "A client in a browser, such as the Sandbox, cannot call without it; it shows no reason."
    if not origin:
        todo = "If a client runs in a browser, give --origin."
        return Result("CORS", State.NOT_CHECKED, "No origin was given.", why, todo)
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    response = deployment.send("OPTIONS", path, headers=asked)
    allowed = response.headers.get("Access-Control-Allow-Origin", "")
    if response.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT) and allowed in (origin, "*"):
        return Result("CORS", State.OK, f"The preflight from {origin} is allowed.", why)
    found = f"The preflight from {origin} is answered with {response.status} and does not allow it."
    todo = "Add the origin to PLEXUS_CDS_ALLOWED_ORIGINS; let the proxy pass OPTIONS."
    return Result("CORS", State.FAILED, found, why, todo)


def key_set(probe: Probe) -> Result:
    """Check that the client's key set is reachable from here and has the key, the right one under its `kid`."""
    why = "The service reads the client's keys there; without them it refuses its tokens."
    if not probe.jwks:
        todo = "Give --jwks, the jwks_url of the clients file."
        return Result("Key set", State.NOT_CHECKED, "No URL of a key set was given.", why, todo)
    todo = (
        "Ask the EHR's team whether the key server runs, and the network's whether the service may reach it; or pin "
        "the keys with `jwks_file` in the clients file."
    )
    try:
        response = send("GET", probe.jwks, headers={}, content=None, seconds=probe.seconds, ca_file=probe.ca_file)
        keys = read_key_set(response.json())
    except NoResponse as error:
        return Result("Key set", State.FAILED, f"It cannot be read from here: {error}.", why, todo)
    except ValueError:
        return Result("Key set", State.FAILED, "The answer is no JWK Set.", why, todo)
    found, is_ok = _published(keys, probe.key)
    todo = "Publish the public key there, under the kid of the tokens."
    return Result("Key set", State.OK if is_ok else State.FAILED, found, why, "" if is_ok else todo)


def _published(keys: KeySet, signing_key: SigningKey | None) -> tuple[str, bool]:
    """Return in words whether a set has the public half of a key under its `kid`, and whether that is ok."""
    if signing_key is None:
        return f"It has {len(keys.keys)} usable keys.", bool(keys.keys)
    of_kid = [key.key.as_dict(private=False) for key in keys.with_id(signing_key.kid)]
    if not of_kid:
        return "It has no usable key with this kid.", False
    members = {name: value for name, value in signing_key.public.items() if name in ("x", "y", "n", "e")}
    if not any(members.items() <= published.items() for published in of_kid):
        return "The key with this kid is another one.", False
    return "It has the public half of the given key under this kid.", True
