"""A service that authenticates its clients, on a real socket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cds_service import examples
from cds_service.config.settings import Settings
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.web.app import create_app
from cds_service.web.services import app_services
from tests.support.service import CLOCK, ORDER_SELECT, ORDER_SIGN, TODAY, Client, log_lines, serving
from tests.support.signing import ISSUER, bearer, key, key_set, public
from tests.support.token_verifier import write_clients

BASE = "https://cds.example.org"
"""The public URL; the tests reach the service without the proxy that would stand there."""
PAGE = "https://ehr.example.org"
ENDPOINTS = {
    "discovery": "/cds-services",
    "service": ORDER_SELECT,
    "feedback": f"{ORDER_SELECT}/feedback",
}
PATHS = (*ENDPOINTS.values(), ORDER_SIGN, f"{ORDER_SIGN}/feedback")
ARTICLE = examples.example("calls", "article", TODAY)
BODIES = {ORDER_SELECT: ARTICLE, ORDER_SIGN: examples.example("calls", "order-sign", TODAY)}
LEAST = f'issuer = "{ISSUER}"\njwks_file = "keys.json"'


class AuthenticatedService:
    """Calls the endpoints of one service, with any Authorization header or claims."""

    def __init__(self, client: Client, app) -> None:
        self.client, self.app = client, app
        self.services = app_services(app)

    def ask(self, path: str, authorization: str | None = None, body=None, **headers: str) -> requests.Response:
        """Ask as an EHR asks there; discovery by GET, all else by POST."""
        headers |= {"Authorization": authorization} if authorization is not None else {}
        if path == ENDPOINTS["discovery"]:
            return self.client.get(path, headers=headers)
        sent = body or BODIES.get(path, {"feedback": []})
        return self.client.session.post(self.client.base + path, json=sent, headers=headers, timeout=10)

    def asked(self, path: str, body=None, **claimed) -> requests.Response:
        """Ask with a good token for this address, with these claims changed."""
        return self.ask(path, bearer(claimed={"aud": BASE + path, **claimed}), body)


@contextmanager
def authenticated_service(folder: Path, knowledge, *clients: str, **settings) -> Iterator[AuthenticatedService]:
    """Serve the application with a clients file whose keys are in a file beside it."""
    file = written(folder, *(clients or (LEAST,)))
    store = f"sqlite:///{folder}/store.sqlite3"
    migrate(Store(store))
    given = {"public_url": BASE, "store_url": store, "allowed_origins": (PAGE,)} | settings
    app = create_app(Settings(clients_file=str(file), **given), knowledge, clock=CLOCK)
    with serving(app) as base:
        client = Client(base)
        yield AuthenticatedService(client, app)
        client.session.close()
    services = app_services(app)
    services.recorder.close()
    services.authenticator.close()


def written(folder: Path, *clients: str) -> Path:
    """Write a clients file and the keys beside it, and return the path of the clients file."""
    keys = key_set(*(public(key(algorithm)) for algorithm in ("ES256", "ES384", "RS384")))
    (folder / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    return write_clients(folder, *clients)


def lines(caplog) -> list[dict]:
    """Return what the service logged so far, and forget it."""
    logged_lines = log_lines(caplog)
    caplog.clear()
    return logged_lines


@pytest.fixture
def logged(caplog):
    """Return a function that gives what the service logged since it was last called."""
    caplog.set_level("INFO", "plexus_cds")
    return lambda: lines(caplog)
