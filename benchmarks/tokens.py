"""The benchmarks' client: its keys, the clients file, tokens signed beforehand, and the time to verify one."""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeyParameters, RSAKey

from benchmarks.machine import on_core
from cds_service.clock import SYSTEM_CLOCK

ISSUER = "https://ehr.example.org"
_LIFE = 3600
"""Seconds: long enough for the longest run."""
_PROCESSES = 2
_VERIFIED = 400
"""So many times a token is verified to tell what it costs."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs the tokens of one algorithm for one URL."""

    algorithm: str
    audience: str
    folder: Path

    def clients_file(self) -> Path:
        """Return the clients file that has this client, with its public key beside it."""
        keys = self.folder / f"{self.algorithm}.jwks.json"
        public = _key(self.algorithm, self.folder).as_dict(private=False)
        keys.write_text(json.dumps({"keys": [public]}), encoding="utf-8")
        file = self.folder / f"{self.algorithm}.toml"
        lines = [f'issuer = "{ISSUER}"', f'jwks_file = "{keys.name}"', f"lifetime_seconds = {_LIFE}"]
        file.write_text("\n".join(["[[clients]]", *lines]), encoding="utf-8")
        return file

    def file_of(self, count: int) -> Path:
        """Return a file with so many new tokens, one a line."""
        share = -(-count // _PROCESSES)
        with ProcessPoolExecutor(_PROCESSES, initializer=_anywhere) as pool:
            parts = pool.map(_signed, *zip(*[(self, share)] * _PROCESSES, strict=True))
            signed = [token for part in parts for token in part]
        file = self.folder / "tokens.txt"
        file.write_text("\n".join(signed), encoding="ascii")
        return file

    def token(self) -> str:
        """Return one new token."""
        return _signed(self, 1)[0]

    def verification_microseconds(self, core: int) -> float:
        """Return what joserfc takes to verify one token on a core, without any other check."""
        key, token = _key(self.algorithm, self.folder), self.token()
        registry = jws.JWSRegistry(algorithms=[self.algorithm])
        public = type(key).import_key(key.as_dict(private=False))
        with on_core(core):
            begin = time.perf_counter()
            for _ in range(_VERIFIED):
                jws.deserialize_compact(token, public, registry=registry)
            return (time.perf_counter() - begin) / _VERIFIED * 1e6


def _anywhere() -> None:
    """Let a process run on every core: nothing is measured while tokens are signed."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))


def _signed(signer: Signer, count: int) -> list[str]:
    key, now = _key(signer.algorithm, signer.folder), int(SYSTEM_CLOCK.now().timestamp())
    header = {"alg": signer.algorithm, "typ": "JWT", "kid": key.kid}
    claims = {"iss": ISSUER, "aud": signer.audience, "iat": now, "exp": now + _LIFE - 60}
    algorithms = [signer.algorithm]
    return [jwt.encode(header, claims | {"jti": str(uuid4())}, key, algorithms=algorithms) for _ in range(count)]


@cache
def _key(algorithm: str, folder: Path) -> ECKey | RSAKey:
    """Return the private key of an algorithm, made on first use."""
    kind = ECKey if algorithm.startswith("ES") else RSAKey
    file = folder / f"{algorithm}.key.json"
    if not file.exists():
        kid: KeyParameters = {"kid": f"bench-{algorithm}"}
        made = ECKey.generate_key("P-384", kid) if kind is ECKey else RSAKey.generate_key(2048, kid)
        file.touch(mode=0o600)
        file.write_text(json.dumps(made.as_dict(private=True)), encoding="utf-8")
    return kind.import_key(json.loads(file.read_text(encoding="utf-8")))
