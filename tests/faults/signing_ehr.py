"""An EHR that signs each of its calls to a real server with a key of its own, by the time of this machine."""

import requests

from cds_service.clock import SYSTEM_CLOCK
from tests.support.service import ORDER_SELECT
from tests.support.serving import Server, example
from tests.support.signing import ISSUER, claims, header, key, signed


class Ehr:
    """Calls one server, in the name of any client."""

    def __init__(self, server: Server) -> None:
        self.server, self.url = server, server.client.base + ORDER_SELECT

    def call(self, issuer: str = ISSUER, number: int = 1) -> requests.Response:
        """Return the answer to a call that a client signed with one of its keys; a 200 must have its card."""
        now = int(SYSTEM_CLOCK.now().timestamp())
        payload = claims(iss=issuer, aud=self.url, iat=now, exp=now + 300)
        token = signed(header(kid=f"ES384-{number}"), payload, key("ES384", number))
        headers = {"Authorization": f"Bearer {token}"}
        response = self.server.client.session.post(self.url, json=example("article"), headers=headers, timeout=30)
        assert response.status_code != requests.codes.ok or len(response.json()["cards"]) == 1
        return response

    def asked(self, issuer: str = ISSUER, number: int = 1) -> int:
        """Return the status of the answer to a call."""
        return self.call(issuer, number).status_code

    def refused(self, check: str) -> bool:
        """Tell whether the log has a refusal by a check."""
        return f'"event":"auth_refused","reason":"{check}"' in self.server.errors()
