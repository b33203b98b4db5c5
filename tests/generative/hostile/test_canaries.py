"""No patient data in any sink: canaries go in at every place, and are looked for wherever the service writes."""

from contextlib import contextmanager
from uuid import uuid4

import pytest

from cds_service.decision.order_select import decide
from cds_service.decision.request import read_hook
from cds_service.errors import CallError
from cds_service.model import Pages
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.web.request_body import parsed
from cds_service.web.services import app_services
from tests.generative.hostile.canaries import (
    ADDRESSES,
    BODIES,
    FEEDBACK,
    PLAYS,
    call,
    canary,
    feedback,
    files,
    found,
    rows,
    send,
    shown,
    unread,
)
from tests.support.authenticated_service import BASE, LEAST, written
from tests.support.odd_server import odd_server
from tests.support.service import ORDER_SELECT, ORDER_SIGN, TODAY, Client
from tests.support.serving import granian
from tests.support.signing import base64url, bearer

KEY = "a key of the site's own"


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Give a function that starts the real server, whose every file is in folders of this test."""
    folders = {name: tmp_path / name for name in ("tmp", "state", "work")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folders["tmp"]))
    monkeypatch.setenv("XDG_STATE_HOME", str(folders["state"]))

    @contextmanager
    def start(*arguments: str, **settings: str):
        with granian(*arguments, cwd=folders["work"], patient_key=KEY, **settings) as server:
            yield server, folders.values()

    return start


def asked(client: Client, sinks: dict[str, str]) -> dict:
    """Send every body and address with its canaries, add the answers to the sinks, and return the first card."""
    for name, (status, body) in BODIES.items():
        answer = send(client, "POST", ORDER_SIGN if "order-sign" in name else ORDER_SELECT, body)
        assert answer.status_code == status, (name, answer.text)
        sinks[f"answer to {name}"] = shown(answer)
    for method, path in ADDRESSES:
        sinks[f"answer to {method} {path[:14]}"] = shown(send(client, method, path, call()))
    return client.cards(call())[0]


def reported(client: Client, card: dict, sinks: dict[str, str]) -> None:
    """Send feedback with its canaries, and add the answers to the sinks."""
    for name, (status, body) in feedback(card).items():
        answer = send(client, "POST", FEEDBACK, body)
        assert answer.status_code == status, (name, answer.text)
        sinks[f"answer to feedback {name}"] = shown(answer)


def fetched(client: Client, server, sinks: dict[str, str]) -> None:
    """Let the FHIR server answer canaries, and add what is said then to the sinks."""
    for name, play in PLAYS.items():
        server.stages(play, play)
        answer = send(client, "POST", ORDER_SELECT, unread(server.url))
        assert answer.status_code == 412, (name, answer.text)
        assert server.requests, name
        sinks[f"answer to FHIR {name}"] = shown(answer)


def hunted(server, folders, sinks: dict[str, str]) -> dict[str, str]:
    """Return the sinks with the metrics, the log, what the server printed, and its files before and after its end."""
    sinks["metrics"] = shown(server.client.get("/metrics"))
    sinks |= {f"file {name}": text for name, text in files(*folders)}
    assert server.stop() == 0
    sinks |= {f"file {name} at the end": text for name, text in files(*folders)}
    return sinks | {"log": server.errors(), "output": server.output()}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_canary_is_anywhere(kind, started, tmp_path, request):
    """Neither answers, headers, log, metrics, files nor the database have anything of what calls and feedback hold."""
    url = f"sqlite:///{tmp_path}/state/store.sqlite3" if kind == "sqlite" else request.getfixturevalue("postgresql")()
    migrate(Store(url))
    sinks: dict[str, str] = {}
    with odd_server() as fhir, started("--development", fhir_servers=fhir.url, store_url=url) as (server, folders):
        card = asked(server.client, sinks)
        reported(server.client, card, sinks)
        fetched(server.client, fhir, sinks)
        send(server.client, "POST", f"/playground/explanations/{ORDER_SELECT.rpartition('/')[2]}", call())
        sinks = hunted(server, folders, sinks)
    sinks["rows"] = rows(url)
    assert card["uuid"] in sinks["rows"]
    assert sinks["log"].count("\n") > len(BODIES)
    assert found(sinks) == []


def test_a_kept_comment_is_found(started, tmp_path):
    """The hunt can fail: where the site keeps comments they are found in the database, and nowhere else."""
    url = f"sqlite:///{tmp_path}/state/store.sqlite3"
    sinks: dict[str, str] = {}
    with started("--development", store_url=url, store_comments="true") as (server, folders):
        reported(server.client, server.client.cards(call())[0], sinks)
        sinks = hunted(server, folders, sinks)
    sinks["rows"] = rows(url)
    assert {sink.partition(":")[0].removesuffix(" at the end").removesuffix("-wal") for sink in found(sinks)} == {
        "rows",
        "file store.sqlite3",
    }
    assert canary("comment") in sinks["rows"]
    assert canary("reason-code") not in sinks["rows"]


def test_the_answer_is_looked_at(service):
    """The hunt can fail: the orders in suggestions, which are left out of it, are full of canaries."""
    answer = send(service, "POST", ORDER_SELECT, call())
    assert found({"answer": answer.text})
    assert found({"answer": shown(answer)}) == []


def test_no_token_is_anywhere(started, tmp_path):
    """Where clients are authenticated nothing of their tokens is written, whether they are refused or not."""
    tokens = {
        "no token": canary("token"),
        "no Bearer": f"Basic {canary('basic')}",
        "unknown issuer": bearer({"kid": canary("kid"), "jku": canary("jku")}, {"iss": f"https://{canary('issuer')}"}),
        "another key": bearer({"kid": canary("kid")}),
        "another type": bearer({"typ": canary("type")}, {"jti": canary("jti")}),
        "another audience": bearer(claimed={"aud": canary("audience"), "jti": canary("jti")}),
        "tenant": bearer(claimed={"aud": BASE + ORDER_SELECT, "tenant": canary("tenant"), "jti": canary("jti")}),
        "good": bearer(claimed={"aud": BASE + ORDER_SELECT, "sub": canary("sub"), "jti": f"{canary('jti')}{uuid4()}"}),
    }
    sinks: dict[str, str] = {}
    folder = tmp_path / "clients"
    folder.mkdir()
    client_file = str(written(folder, f'{LEAST}\ntenants = ["a"]', LEAST.replace("ehr.", "other.")))
    with started(clients_file=client_file, public_url=BASE) as (server, folders):
        for name, token in tokens.items():
            answer = send(server.client, "POST", ORDER_SELECT, call(), Authorization=token)
            sinks[f"answer to {name}"] = shown(answer)
        sinks = hunted(server, folders, sinks)
    assert sinks["log"].count("\n") == len(tokens) + 1
    parts = [part for token in tokens.values() for part in token.removeprefix("Bearer ").split(".") if len(part) > 20]
    encoded = base64url(canary("jti").encode())[:12]
    assert found(sinks, encoded, *parts) == []


@pytest.mark.parametrize("name", [name for name, (status, _) in BODIES.items() if status >= 400])
def test_no_exception_holds_a_canary(name, knowledge, app):
    """Whoever prints an exception of ours, or what it came from, prints nothing of the call."""
    _, body = BODIES[name]
    site = app_services(app).site
    with pytest.raises(CallError) as caught:
        decide(
            parsed(body) if isinstance(body, bytes) else body,
            "order-select",
            knowledge,
            site,
            today=TODAY,
            fetch=lambda _, searches: [Pages((), "not in this test") for _ in searches],
            new_id=lambda: "",
        )
    chain, error = {}, caught.value
    while error:
        chain[type(error).__name__] = f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert found(chain) == []


def test_a_printed_call_holds_no_canary(knowledge, app):
    """Whoever prints a request, or the decision on it, prints nothing of the call."""
    decision = decide(
        call(),
        "order-select",
        knowledge,
        app_services(app).site,
        today=TODAY,
        fetch=lambda _, searches: [Pages((), "not in this test") for _ in searches],
        new_id=lambda: "",
    )
    assert decision.cards
    assert found({"request": repr(read_hook(call(), "order-select")), "decision": repr(decision)}) == []
