"""The clients file: what it may say, and one line for each thing that is wrong with it."""

import json

import pytest

from cds_service.auth import Clients, read_clients
from cds_service.errors import SettingsError
from tests.support.signing import ISSUER, key, key_set, public

URL = 'jwks_url = "https://ehr.example.org/keys"'
LEAST = f'issuer = "{ISSUER}"\n{URL}'
SANDBOX = 'issuer = "https://sandbox.cds-hooks.org"\njwks_url = "https://sandbox.cds-hooks.org/.well-known/jwks.json"'


def test_the_least(clients_file):
    """Issuer and keys are enough: ES384 and RS384, any tenant, a quarter of an hour, no FHIR server."""
    [client] = read_clients(clients_file(LEAST))
    assert client.algorithms == ("ES384", "RS384")
    assert (client.tenants, client.lifetime_seconds) == (None, 900)
    assert (client.fhir_servers, client.calls_per_minute) == ((), None)


def test_several(clients_file):
    """Clients are found by exactly their issuer."""
    clients = read_clients(clients_file(LEAST, LEAST.replace(f'"{ISSUER}"', '"urn:oid:1.2.3"')))
    assert [client.issuer for client in clients] == [ISSUER, "urn:oid:1.2.3"]
    assert clients.get("urn:oid:1.2.3").issuer == "urn:oid:1.2.3"
    assert [clients.get(other) for other in (f"{ISSUER}/", "", None, [ISSUER])] == [None] * 4


def test_nobody(tmp_path):
    """A list that is written out as empty lets nobody call."""
    (tmp_path / "clients.toml").write_text("clients = []  # since a key was stolen", encoding="utf-8")
    clients = read_clients(tmp_path / "clients.toml")
    assert (list(clients), clients.get(ISSUER)) == ([], None)


def test_development(clients_file):
    """Http and the Sandbox are for trying out."""
    local = 'issuer = "http://127.0.0.1:8000"\njwks_url = "http://127.0.0.1:8000/keys"\nfhir_servers = ["http://127.0.0.1/"]'
    clients = read_clients(clients_file(SANDBOX, local), development=True)
    assert isinstance(clients, Clients)
    assert len(list(clients)) == 2


WRONG = {
    "no issuer": (URL, "clients.1.issuer: is missing"),
    "an issuer that is no URI": (f'issuer = "ehr"\n{URL}', "clients.1.issuer: must be the URI that the client gives"),
    "an issuer with a space": (f'issuer = "urn:a b"\n{URL}', "clients.1.issuer: must be the URI"),
    "an issuer that is a number": (f"issuer = 7\n{URL}", "clients.1.issuer: must be a text in quotes"),
    "no keys": (f'issuer = "{ISSUER}"', "clients.1: needs jwks_url, the address of its public keys, or jwks_file"),
    "http": (LEAST.replace("https://ehr.example.org/k", "http://ehr.example.org/k"), "jwks_url: must begin with https"),
    "a user": (LEAST.replace("ehr.example.org/keys", "me@ehr.example.org/keys"), "jwks_url: must be a plain address"),
    "a fragment": (LEAST.replace("keys", "keys#1"), "jwks_url: must be a plain address"),
    "half an address": (LEAST.replace("ehr.example.org/keys", "["), "clients.1.jwks_url: "),
    "a misspelled name": (f"{LEAST}\nalgorithm = []", "clients.1.algorithm: is not known; did you mean algorithms?"),
    "an unknown name": (f"{LEAST}\nxyz = 1", "clients.1.xyz: is not known; there are: issuer, jwks_url, jwks_file"),
    "no algorithm": (f"{LEAST}\nalgorithms = []", "clients.1.algorithms: must have at least one entry"),
    "none": (
        f'{LEAST}\nalgorithms = ["ES384", "none"]',
        "clients.1.algorithms.2: none is not accepted; there are: ES256",
    ),
    "a shared secret": (f'{LEAST}\nalgorithms = ["HS256"]', "clients.1.algorithms.1: HS256 is not accepted; there are"),
    "a text for a list": (f'{LEAST}\nalgorithms = "ES384"', "clients.1.algorithms: must be a list"),
    "no tenant": (f"{LEAST}\ntenants = []", "clients.1.tenants: must have at least one entry"),
    "an empty tenant": (f'{LEAST}\ntenants = [""]', "clients.1.tenants.1: must not be empty"),
    "a long life": (f"{LEAST}\nlifetime_seconds = 3601", "clients.1.lifetime_seconds: must be 3600 or less"),
    "a short life": (f"{LEAST}\nlifetime_seconds = 59", "clients.1.lifetime_seconds: must be 60 or more"),
    "half a second": (f"{LEAST}\nlifetime_seconds = 60.5", "clients.1.lifetime_seconds: must be a whole number"),
    "true calls": (f"{LEAST}\ncalls_per_minute = true", "clients.1.calls_per_minute: must be a whole number"),
    "no calls": (f"{LEAST}\ncalls_per_minute = 0", "clients.1.calls_per_minute: must be 1 or more"),
    "an http server": (f'{LEAST}\nfhir_servers = ["http://ehr"]', "clients.1.fhir_servers.1: must begin with https://"),
    "a server with a query": (f'{LEAST}\nfhir_servers = ["https://ehr?a"]', "fhir_servers.1: must be a base URL"),
    "a server with dots": (
        f'{LEAST}\nfhir_servers = ["https://ehr/a/../b"]',
        "fhir_servers.1: must be a plain address",
    ),
    "no file": (f'issuer = "{ISSUER}"\njwks_file = "no.json"', "jwks_file: no.json cannot be read: No such file"),
    "a URL in place of a file": (
        f'issuer = "{ISSUER}"\njwks_file = "https://ehr.example.org/keys"',
        "clients.1.jwks_file: must be a file beside this one; write a URL as jwks_url",
    ),
    "a folder": (f'issuer = "{ISSUER}"\njwks_file = "."', "clients.1.jwks_file: "),
    "a number": (f'issuer = "{ISSUER}"\njwks_file = 1', "clients.1.jwks_file: must be the name of a file, in quotes"),
    "keys that are no JSON": (f'issuer = "{ISSUER}"\njwks_file = "bad.json"', "jwks_file: bad.json cannot be read: "),
    "no key set": (f'issuer = "{ISSUER}"\njwks_file = "list.json"', "list.json cannot be read: it is not a JWK Set"),
    "a private key": (f'issuer = "{ISSUER}"\njwks_file = "private.json"', "private.json has no public key with a kid"),
    "the Sandbox": (SANDBOX, "clients.1.issuer: is the CDS Hooks Sandbox, whose private key is public"),
    "its keys": (LEAST.replace("ehr.example.org/", "SANDBOX.cds-hooks.org./"), "jwks_url: is the CDS Hooks Sandbox"),
}


@pytest.fixture(autouse=True)
def files_of_keys(tmp_path):
    """Write files with keys, good and bad, beside the clients file."""
    (tmp_path / "good.json").write_text(json.dumps(key_set(public(key("ES384")))), encoding="utf-8")
    (tmp_path / "private.json").write_text(json.dumps(key_set(key("ES384").as_dict(private=True))), encoding="utf-8")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")


def refusal(path, **mode) -> str:
    """Return what is said about a clients file that is refused."""
    with pytest.raises(SettingsError) as refused:
        read_clients(path, **mode)
    return str(refused.value)


@pytest.mark.parametrize(("table", "says"), WRONG.values(), ids=WRONG)
def test_wrong(table, says, clients_file):
    """Each fault is reported in one line: which file, where in it, and what to do; and it is alone."""
    text = refusal(clients_file(table))
    lines = text.splitlines()
    assert any("/clients.toml: clients.1" in line and says in line for line in lines), text
    assert len(lines) == (2 if table == SANDBOX else 1), text
    assert "private key is public" in text or '"d"' not in text


def test_the_line_and_the_value(clients_file):
    """A fault names the line of the file and the value that stands there."""
    fault = refusal(clients_file(LEAST, f"{LEAST}\n\nlifetime_seconds = 3601"))
    assert fault.endswith("lifetime_seconds: must be 3600 or less, not 3601 (line 8)")


def test_a_file_of_keys(clients_file):
    """A file of keys is named from where the clients file is."""
    [client] = read_clients(clients_file(f'issuer = "{ISSUER}"\njwks_file = "good.json"'))
    assert client.jwks_file.is_absolute()


def test_two_of_one_issuer(clients_file):
    """Two clients cannot have the same issuer."""
    file = clients_file(LEAST, LEAST)
    assert refusal(file) == f"{file}: clients: more than one has the issuer {ISSUER} (line 1)"


WHOLE = {
    "empty": (b"", "clients.toml: clients: is missing: begin each client with [[clients]], or write clients = [] "),
    "comments": (b'# [[clients]]\n# issuer = "urn:a"', "clients.toml: clients: is missing: begin each client"),
    "a table of one": (b"[clients]", "clients.toml: clients: must be a list: "),
    "a list of texts": (b'clients = ["a"]', "clients.toml: clients.1: must be a table"),
    "misspelled": (b'[[client]]\nissuer = "a:b"', "client: is not known; did you mean clients?"),
    "no TOML": (b"[[clients", "clients.toml cannot be read: "),
    "not UTF-8": (b'issuer = "\xff"', "clients.toml cannot be read: it is not UTF-8: save it with that encoding"),
    "deep": (b"a = " + b"[" * 9999, "clients.toml cannot be read: it is nested too deeply"),
}


@pytest.mark.parametrize(("content", "says"), WHOLE.values(), ids=WHOLE)
def test_the_whole_file(content, says, tmp_path):
    """A file that has no clients, or cannot be read, is reported in plain words."""
    (tmp_path / "clients.toml").write_bytes(content)
    assert says in refusal(tmp_path / "clients.toml")


def test_no_file(tmp_path):
    """A file that is not there is reported by its name."""
    assert refusal(tmp_path / "gone.toml") == f"{tmp_path}/gone.toml cannot be read: No such file or directory"
