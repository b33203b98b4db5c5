"""Who may call after a start: this machine alone, the clients of a file, or anyone where that is asked for."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from cds_service.clock import SYSTEM_CLOCK
from cds_service.config.settings import read_settings
from cds_service.errors import SettingsError
from tests.support.authenticated_service import LEAST, written
from tests.support.service import ORDER_SELECT
from tests.support.serving import COMMAND, Server, example, granian, run
from tests.support.signing import ISSUER, bearer

CLIENTS = {"clients_file": "clients.toml", "public_url": "https://cds.example.org"}
STARTS = {
    "nothing": {},
    "another address of this machine": {"host": "127.0.0.2"},
    "its name": {"host": "localhost"},
    "IPv6": {"host": "::1"},
    "clients": CLIENTS,
    "clients, and reached from elsewhere": {**CLIENTS, "host": "0.0.0.0"},
    "clients, in development": {"clients_file": "clients.toml", "development": "true", "playground": "true"},
    "anyone, as asked for": {"host": "0.0.0.0", "anyone_may_call": "true"},
}
REFUSED = {
    "all addresses": ({"host": "0.0.0.0"}, "HOST: 0.0.0.0 can be reached from other machines: name the clients in"),
    "all addresses of IPv6": ({"host": "::"}, "HOST: :: can be reached"),
    "an address of a network": ({"host": "10.0.0.7"}, "HOST: 10.0.0.7 can be reached"),
    "a name": ({"host": "cds.example.org"}, "HOST: cds.example.org can be reached"),
    "a name that looks local": ({"host": "localhost.example.org"}, "HOST: localhost.example.org can be reached"),
    "no address": ({"host": ""}, "HOST:  can be reached"),
    "development mode": ({"host": "0.0.0.0", "development": "true"}, "ANYONE_MAY_CALL=true"),
    "clients and anyone": ({**CLIENTS, "anyone_may_call": "true"}, "ANYONE_MAY_CALL: contradicts the clients file"),
    "servers for anyone": (
        {**CLIENTS, "fhir_servers": "https://ehr.example.org/fhir"},
        "FHIR_SERVERS: with a clients file, the servers of each client stand there",
    ),
    "a page without a token": ({**CLIENTS, "playground": "true"}, "PLAYGROUND: with a clients file it is for dev"),
    "no address for tokens": ({"clients_file": "clients.toml"}, "PUBLIC_URL: with a clients file it must be the https"),
    "a clients file without a name": ({"clients_file": ""}, "CLIENTS_FILE: is set, but empty: name the file, or leave"),
    "one of blanks": ({"clients_file": " ", "host": "0.0.0.0"}, "CLIENTS_FILE: is set, but empty"),
    "a site file without a name": ({"site_file": ""}, "SITE_FILE: is set, but empty"),
    "tokens without TLS": ({**CLIENTS, "public_url": "http://cds.example.org"}, "PUBLIC_URL: with a clients file"),
}


def given(settings: dict[str, str]):
    """Return the settings of an environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, text in settings.items():
            patch.setenv(f"PLEXUS_CDS_{name.upper()}", text)
        return read_settings()


@pytest.mark.parametrize("settings", STARTS.values(), ids=STARTS)
def test_what_may_be_set(settings):
    """Nothing has to be set on one machine; elsewhere either the clients are known, or anyone may call by name."""
    assert given(settings).anyone_may_call is ("anyone_may_call" in settings)


@pytest.mark.requirement("X-01", broken="a production service whose clients send tokens without TLS")
@pytest.mark.requirement("X-03", broken="a service that anyone can reach because nobody set anything")
@pytest.mark.parametrize(("settings", "says"), REFUSED.values(), ids=REFUSED)
def test_what_may_not(settings, says):
    """What would let strangers in, or keep clients out, is refused in a line that names the setting."""
    with pytest.raises(SettingsError) as refusal:
        given(settings)
    assert f"PLEXUS_CDS_{says}" in str(refusal.value)


def test_an_address_in_ipv6():
    """The URL of an IPv6 address has brackets, as URLs have them; tokens must name it."""
    assert given({"host": "::1"}).base_url == "http://[::1]:8080"


def test_a_start_that_is_refused(tmp_path):
    """`plexus-cds serve` ends at once with exit code 1 and says why: for an open address, and a wrong clients file."""
    wrong = {"clients_file": str(written(tmp_path, "issuer = 7")), "development": "true"}
    for settings, says in (
        ({"host": "0.0.0.0"}, "PLEXUS_CDS_CLIENTS_FILE"),
        (wrong, "clients.toml: clients.1.issuer:"),
    ):
        with closing(Server(COMMAND, **settings)) as server:
            try:
                assert server.process.wait(20) == 1
            finally:
                server.kill()
            assert server.output() == ""
            assert says in server.errors()


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        ({}, False),
        ({"host": "0.0.0.0", "anyone_may_call": "true"}, True),
        ({"public_url": "https://cds.example.org"}, True),
    ],
    ids=["this machine alone", "reached from elsewhere", "behind a proxy"],
)
def test_what_is_told_at_the_start(settings, is_told):
    """A service that others may reach without being asked who they are says so at its start; a local one does not."""
    with granian(**settings) as server:
        assert len(server.client.cards(example())) == 1
        warnings = [json.loads(line) for line in server.errors().splitlines() if '"no_authentication"' in line]
    assert [line["event"] for line in warnings] == ["startup_warning"] * is_told
    assert all("PLEXUS_CDS_CLIENTS_FILE" in line["action"] for line in warnings)


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        ({}, False),
        ({"host": "0.0.0.0"}, True),
        ({"public_url": "https://cds.example.org"}, True),
    ],
    ids=["this machine alone", "reached from elsewhere", "behind a proxy"],
)
def test_development_mode_where_others_may_come(settings, is_told, tmp_path):
    """Pages without a token, and the Sandbox's public key, are logged at the start where others may reach them."""
    with granian("--development", clients_file=str(written(tmp_path, LEAST)), **settings) as server:
        assert server.client.get("/dashboard").status_code == 200
        warnings = [json.loads(line) for line in server.errors().splitlines() if '"development_mode"' in line]
        assert '"no_authentication"' not in server.errors()
    assert [line["event"] for line in warnings] == ["startup_warning"] * is_told
    assert all("PLEXUS_CDS_DEVELOPMENT" in line["action"] and "playground" in line["effect"] for line in warnings)


@pytest.mark.requirement("X-13", broken="a token that each worker takes once")
def test_two_workers_share_the_memory(tmp_path):
    """Of many uses of one token at the same time, over two workers, exactly one is answered."""
    file = written(tmp_path, LEAST)
    settings = {"clients_file": str(file), "store_url": f"sqlite:///{tmp_path}/store.sqlite3"}
    with granian("--development", "--workers", "2", **settings) as server, ThreadPoolExecutor(8) as pool:

        def use(text: str) -> int:
            headers = {"Authorization": text}
            return server.client.session.post(url, json=example(), headers=headers, timeout=20).status_code

        url, now = server.client.base + ORDER_SELECT, SYSTEM_CLOCK.now().timestamp()
        for _ in range(10):
            text = bearer(claimed={"aud": url, "iat": now, "exp": now + 300})
            assert sorted(pool.map(use, [text] * 8)) == [200] + [401] * 7
        assert server.client.get("/cds-services").status_code == 401
        workers = server.client.get("/readyz").json()
        assert f"Each call needs a token of a client in {file}." in server.output()
    assert (workers["status"], workers["clients_file"]) == ("ready", "read")


def test_check_config_tells_the_clients(tmp_path):
    """`check-config` prints what is in force for each client, and all faults of settings and files at once."""
    file = written(tmp_path, f'{LEAST}\nfhir_servers = ["https://ehr.example.org/fhir"]\ncalls_per_minute = 60')
    settings = {**CLIENTS, "clients_file": str(file)}
    done = run("check-config", **settings)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.partition(f"Client {ISSUER}:\n")[2].splitlines()
    assert lines == [
        "  jwks_url: none (default)",
        f"  jwks_file: {tmp_path}/keys.json ({file})",
        "  algorithms: ES384, RS384 (default)",
        "  tenants: any (default)",
        "  lifetime_seconds: 900 (default)",
        f"  fhir_servers: https://ehr.example.org/fhir ({file})",
        f"  calls_per_minute: 60 ({file})",
        "  dialect: none (default)",
    ]
    written(tmp_path, "issuer = 7")
    done = run("check-config", **settings, port="many", site_file=f"{tmp_path}/gone.toml")
    assert done.returncode == 1
    for says in ("PLEXUS_CDS_PORT", "gone.toml", "clients.toml: clients.1.issuer"):
        assert says in done.stderr
