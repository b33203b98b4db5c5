"""`plexus-cds doctor` on a healthy deployment and on broken ones: real servers, real proxy, real certificates."""

import json
import re
import ssl
from contextlib import contextmanager
from datetime import UTC, timedelta

import pytest
import trustme

from cds_service import __version__
from cds_service.cli import main
from cds_service.clock import SYSTEM_CLOCK, Clock
from tests.integration.limits import nginx as proxy
from tests.support.metric_series import rises
from tests.support.odd_server import answers, http, odd_server, sends
from tests.support.service import ORDER_SELECT
from tests.support.serving import example, free_port, granian, run
from tests.support.signing import ISSUER, key, key_set, public
from tests.support.token_verifier import write_clients

ORIGIN = "http://localhost:9090"
FIGURES = ("calls", "decisions", "feedback", "trials")


@pytest.fixture
def doctor(capsys):
    """Give a function that runs the doctor; returns exit code and the results by their check."""

    def doctor(*arguments, clock=SYSTEM_CLOCK):
        code = main(["doctor", "--json", *arguments], clock)
        results = json.loads(capsys.readouterr().out)["results"]
        return code, {result["check"]: result for result in results}

    return doctor


def states(results, *but):
    """Return the checks that are not ok, with their state, without those named."""
    return {check: result["state"] for check, result in results.items() if result["state"] != "ok" and check not in but}


@pytest.fixture
def key_file(tmp_path):
    """Return the options that name a client's private key."""
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key("ES384").as_dict(private=True)), encoding="utf-8")
    return ["--key", str(path), "--issuer", ISSUER]


@contextmanager
def with_clients(folder, public_url=None):
    """Run a server with a clients file, whose tokens name this URL; yields the server."""
    (folder / "keys.json").write_text(json.dumps(key_set(public(key("ES384")))), encoding="utf-8")
    file = write_clients(folder, f'issuer = "{ISSUER}"\njwks_file = "keys.json"')
    settings = {"clients_file": str(file), "store_url": f"sqlite:///{folder}/store.sqlite3"}
    if public_url:
        settings["public_url"] = public_url
    with granian("--development", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    """Run a healthy server without clients, which answers this machine."""
    with granian("--development", store_url=f"sqlite:///{tmp_path_factory.mktemp('open')}/store.sqlite3") as server:
        yield server


def test_healthy(open_server):
    """On a healthy deployment nothing is wrong, in words and by the exit code; what was not given is not checked."""
    done = run("doctor", open_server.client.base, "--origin", ORIGIN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(open_server.client.base + "\nOK           TLS: No TLS, and none is needed")
    assert "\nOK           Example article: As expected: one card.\n" in done.stdout
    assert re.search(r"^\d+ ok, \d warning, 0 failed, 3 not checked$", done.stdout, re.MULTILINE)


def test_healthy_with_tokens(tmp_path, doctor, key_file):
    """With a client's key a good token is accepted, and the bad ones are refused; the key set has the key."""
    with with_clients(tmp_path) as server, odd_server() as keys:
        keys.plays = {"": answers(key_set(public(key("ES384"))))}
        code, results = doctor(server.client.base, *key_file, "--jwks", f"{keys.root}/keys", "--origin", ORIGIN)
    assert states(results, "Response times", "FHIR server") == {}
    assert {"Good token", "Replayed token", "Expired token", "Wrong audience", "Wrong signature", "Key set"} <= set(
        results
    )
    assert code == 0


@pytest.mark.parametrize(
    ("published", "found"),
    [((), "no usable key with this kid"), (({"kid": "ES384-1"}, 2), "another one")],
    ids=["no key", "another key"],
)
def test_key_set_without_the_key(published, found, open_server, doctor, key_file):
    """A key set without the client's key, or with another under its id, is a fault."""
    with odd_server() as keys:
        keys.plays = {
            "": answers(key_set(*([public(key("ES384", published[1]), **published[0])] if published else [])))
        }
        _, results = doctor(open_server.client.base, *key_file, "--jwks", f"{keys.root}/keys")
    assert results["Key set"]["state"] == "failed"
    assert found in results["Key set"]["found"]


def test_no_trace(open_server):
    """Its calls are trials: no figure of the site counts them."""
    rise = rises(open_server.client, lambda: run("doctor", open_server.client.base), *FIGURES)
    assert {series.partition("{")[0] for series in rise} == {"trials"}


def test_no_trace_with_tokens(tmp_path, doctor, key_file):
    """With tokens its calls are trials, too; a call without the mark still counts."""
    with with_clients(tmp_path) as server:
        rise = rises(server.client, lambda: doctor(server.client.base, *key_file), *FIGURES)
        assert {series.partition("{")[0] for series in rise} == {"trials"}


def test_refusals_are_not_hidden(tmp_path):
    """Nobody without a token can hide from the count of refusals by the mark."""
    with with_clients(tmp_path) as server:
        mark = {"X-Plexus-CDS-Client": "doctor"}
        path = server.client.base + ORDER_SELECT
        post = server.client.session.post
        rise = rises(server.client, lambda: post(path, json=example(), headers=mark, timeout=10), "refused")
    assert rise == {"refused{check=missing}": 1}


def test_a_proxy_that_drops_calls(open_server, doctor):
    """Each call without an answer is a failure of its own check, and the others go on."""
    discovered = open_server.client.get("/cds-services").json()
    with odd_server() as server:
        server.plays = {"": lambda stage: (answers(discovered) if stage.request.method == "GET" else sends(b""))(stage)}
        code, results = doctor(server.root, "--fhir-server", "http://127.0.0.1:1/fhir", "--origin", ORIGIN)
    assert code == 1
    dropped = ["Example article", "Feedback", "FHIR server", "CORS", "Body limits", "Response times"]
    assert all("not answered: the connection failed" in results[check]["found"] for check in dropped)
    assert results["Discovery"]["state"] == "ok"


def test_another_service(doctor):
    """The URL of another CDS service is told as such."""
    other = {"services": [{"hook": "patient-view", "id": "greeting", "description": "Says hello"}]}
    with odd_server() as server:
        server.plays = {"": answers(other)}
        code, results = doctor(server.root)
    assert (code, results["Discovery"]["found"]) == (1, "No service for order-select, order-sign.")


def test_wrong_path(open_server, doctor):
    """A URL that is not the service's says so, and nothing else is called."""
    code, results = doctor(open_server.client.base + "/wrong")
    assert code == 1
    assert results["Discovery"]["state"] == "failed"
    assert "/wrong/cds-services is answered with 404" in results["Discovery"]["found"]
    assert {"Example article", "No token"}.isdisjoint(results)


def test_nothing_there(doctor):
    """An address where nothing listens is a failed connection."""
    code, results = doctor(f"http://127.0.0.1:{free_port()}")
    assert (code, results["Connection"]["state"]) == (1, "failed")


def test_no_cors(open_server, doctor):
    """An origin that may not call is a fault."""
    code, results = doctor(open_server.client.base, "--origin", "https://elsewhere.example.org")
    assert (code, results["CORS"]["state"]) == (1, "failed")


def test_wrong_audience(tmp_path, doctor, key_file):
    """A service that has another public URL than the one that is called refuses good tokens; that is the advice."""
    with with_clients(tmp_path, "http://localhost:1") as server:
        code, results = doctor(server.client.base, *key_file)
    assert (code, results["Good token"]["state"], results["Public URL"]["state"]) == (1, "failed", "failed")
    assert results["Public URL"]["found"] == (
        f"The service's own URL is http://localhost:1, but {server.client.base} is called."
    )
    assert "*Public URL*" in results["Good token"]["what_to_do"]


def test_open_service(open_server, doctor, key_file):
    """Where the analyst has a key, a service that answers without a token, or to any token, is a fault."""
    code, results = doctor(open_server.client.base, *key_file)
    assert code == 1
    failed = {"No token", "Replayed token", "Expired token", "Wrong audience", "Wrong signature"}
    assert {check for check, state in states(results).items() if state == "failed"} == failed


def test_clock_skew(open_server, doctor):
    """Clocks that differ by more than tokens allow are a fault."""
    ahead = Clock(lambda: SYSTEM_CLOCK.now() + timedelta(minutes=5), UTC)
    code, results = doctor(open_server.client.base, clock=ahead)
    assert (code, results["Clock"]["state"]) == (1, "failed")
    assert "differs from this machine's by 5 minutes: it is behind." in results["Clock"]["found"]


def test_not_json(doctor):
    """A page in place of JSON, as a proxy's log-in, is a fault of discovery."""
    with odd_server() as server:
        server.plays = {"": sends(http(b"<html>Log in</html>"))}
        code, results = doctor(server.root)
    assert code == 1
    assert "answered with 200 and no JSON" in results["Discovery"]["found"]


def test_several_versions(open_server, doctor):
    """Instances of different versions, of the service or its rule content, are a fault that names who has which."""
    with odd_server() as older:
        older.plays = {"": answers({"info": {"version": "0.0.1"}, "version": "0.0.1+0123456789ab"})}
        _, results = doctor(open_server.client.base, "--instance", older.root)
    assert (results["Versions"]["state"], results["Rule versions"]["state"]) == ("failed", "failed")
    assert f"{open_server.client.base}: {__version__} in 8 of 8 calls; " in results["Versions"]["found"]
    assert f"{older.root}: 0.0.1+0123456789ab in 8 of 8 calls." in results["Rule versions"]["found"]


def test_another_version(doctor):
    """A service of another version than the doctor's is a warning."""
    with odd_server() as older:
        older.plays = {"": answers({"info": {"version": "0.0.1"}})}
        _, results = doctor(older.root)
    assert results["Versions"]["state"] == "warning"


def test_small_body_limit_of_the_proxy(tmp_path, doctor, monkeypatch, open_server):
    """A proxy that refuses the documented size, with a page in place of an OperationOutcome, is found."""
    lines = proxy.SHIPPED.read_text(encoding="utf-8")
    lines = lines.replace("client_max_body_size 8m;", "client_max_body_size 1m;")
    lines = lines.replace("error_page 413 /refused/too-large;", "")
    (tmp_path / "small.conf").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(proxy, "SHIPPED", tmp_path / "small.conf")
    with proxy.nginx(tmp_path, open_server.port) as server:
        trusts = ["--ca-file", str(tmp_path / "authority.pem")]
        code, results = doctor(server.client.base, *trusts)
    assert code == 1
    assert states(results)["Large body"] == "failed"
    assert "A call of 8 MiB is answered with 413. One of 1 MiB passes." in results["Large body"]["found"]
    assert "1 MiB more is answered with 413 and no OperationOutcome" in results["Too large body"]["found"]
    assert re.match(r"TLSv1\.[23]; the certificate is valid for \d+ more days", results["TLS"]["found"])


def test_shipped_proxy(tmp_path, doctor, open_server):
    """Behind the shipped lines for nginx nothing fails."""
    with proxy.nginx(tmp_path, open_server.port) as server:
        base, trusts = server.client.base, ["--ca-file", str(tmp_path / "authority.pem")]
        code, results = doctor(base, *trusts)
        assert (code, results["Readiness"]["state"]) == (0, "not checked"), states(results)
        code, results = doctor(base, *trusts, "--instance", open_server.client.base)
        assert (code, results["Readiness"]["state"], results["Readiness"]["url"]) == (0, "ok", open_server.client.base)


def test_proxy_without_service(tmp_path, doctor):
    """A proxy that reaches no service says so, with the likely cause."""
    with proxy.nginx(tmp_path, free_port()) as server:
        code, results = doctor(server.client.base, "--ca-file", str(tmp_path / "authority.pem"))
    assert (code, results["Discovery"]["state"]) == (1, "failed")
    assert "Is the service running?" in results["Discovery"]["what_to_do"]


@pytest.mark.parametrize(
    ("is_expired", "found"), [(True, "certificate has expired"), (False, "unable to get local issuer certificate")]
)
def test_invalid_certificate(is_expired, found, doctor, tmp_path):
    """An expired certificate, or one of an unknown authority, is a failed connection with its reason."""
    authority = trustme.CA()
    now = SYSTEM_CLOCK.now()
    until = now - timedelta(days=1) if is_expired else now + timedelta(days=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_before=now - timedelta(days=9), not_after=until).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    trusts = ["--ca-file", str(tmp_path / "authority.pem")] if is_expired else []
    with odd_server("127.0.0.1", context) as server:
        code, results = doctor(f"https://localhost:{server.port}", *trusts)
    assert (code, results["Connection"]["state"]) == (1, "failed")
    assert f"the certificate is not valid: {found}" in results["Connection"]["found"]
    assert ("Renew the certificate" if is_expired else "--ca-file") in results["Connection"]["what_to_do"]


CARD = "[cards.lumbosacral-plexus-mri]"


@pytest.mark.parametrize(
    ("site", "check", "state", "advice"),
    [
        (f"{CARD}\noff = false", "Card", "ok", ""),
        (f"{CARD}\noff = true", "Card", "warning", "`off = false`"),
        (f"{CARD[:-1]}.shadow]\nuntil = 2999-12-31", "Card", "warning", "`shadow`"),
        ("off = [", "Site file", "failed", "check-config"),
        ('dialect = "epic"', "Unmapped studies", "warning", "propose.STUDY"),
    ],
    ids=["on", "off", "shadow", "broken", "unmapped"],
)
def test_state(site, check, state, advice, tmp_path, doctor):
    """What /readyz reports is told in words: a card that nobody sees, a broken file, a study without a code."""
    file = tmp_path / "site.toml"
    file.write_text("", encoding="utf-8")
    store = f"sqlite:///{tmp_path}/store.sqlite3"
    with granian("--development", site_file=str(file), store_url=store) as server:
        file.write_text(site, encoding="utf-8")
        code, results = doctor(server.client.base)
    assert (code, results[check]["state"]) == (int(state == "failed"), state)
    assert advice in results[check]["what_to_do"]
    assert results["Readiness"]["state"] == results["Store"]["state"] == "ok"


def test_unready(tmp_path, doctor, key_file):
    """With clients and a store that cannot be used, the service is unready, and the doctor names the store."""
    with with_clients(tmp_path) as server:
        for file in tmp_path.glob("store.sqlite3*"):
            file.unlink()
        code, results = doctor(server.client.base, *key_file)
    assert code == 1
    assert states(results).items() >= {"Readiness": "failed", "Store": "failed"}.items()
    assert "replay_memory" in results["Readiness"]["found"]


def test_instances_that_differ(doctor):
    """Where the calls to one URL meet instances in different states, the result says how many met which."""
    reports = [{"status": "ready", "card": card, "site_file": "read", "store": "ready"} for card in ("on", "off")]
    turns = iter(reports * 4)
    with odd_server() as server:
        server.plays = {"": lambda stage: answers(next(turns) if "/readyz" in stage.request.target else {})(stage)}
        _, results = doctor("http://127.0.0.1:1", "--instance", server.root)
    assert results["Card"]["state"] == "warning"
    assert results["Card"]["found"] == (
        "In 4 of 8 calls: The card is on. In 4 of 8 calls: The card is off (kill switch)."
    )


def test_reports_of_another_version(doctor):
    """A fault of the service itself is named by its kind; a value that this doctor does not know is a warning."""
    report = {"status": "unready", "fault": "KeyError", "card": "paused", "site_file": "none", "store": "ready"}
    with odd_server() as server:
        server.plays = {"": answers(report, 503)}
        code, results = doctor("http://127.0.0.1:1", "--instance", server.root)
    assert (code, results["Readiness"]["state"], results["Card"]["state"]) == (1, "failed", "warning")
    assert "(KeyError)" in results["Readiness"]["found"]
    assert results["Card"]["found"] == "It reports paused."


@pytest.mark.parametrize(
    ("is_listed", "play", "state", "found"),
    [
        (True, answers({"resourceType": "Bundle", "type": "searchset", "total": 0}), "ok", "The service reads"),
        (True, answers({}, 401), "ok", "refuses the doctor's token, as it should"),
        (True, answers({}, 404), "warning", "answers the service with an error"),
        (True, sends(http(b"<html>")), "failed", "did not answer with JSON"),
        (True, sends(b""), "failed", "cannot reach"),
        (False, answers({}), "failed", "may not read"),
    ],
    ids=["read", "refused", "error", "no JSON", "unreachable", "not listed"],
)
def test_fhir_server(is_listed, play, state, found, tmp_path, doctor):
    """Whether the service may and can read the FHIR server of the calls is found by a call without prefetch."""
    with odd_server() as ehr:
        ehr.stages(play, play)
        servers = {"fhir_servers": ehr.url} if is_listed else {}
        with granian("--development", store_url=f"sqlite:///{tmp_path}/store.sqlite3", **servers) as server:
            _, results = doctor(server.client.base, "--fhir-server", ehr.url)
    assert (results["FHIR server"]["state"], found in results["FHIR server"]["found"]) == (state, True)


def test_clock_of_the_service(tmp_path, doctor, key_file):
    """Where a good token is refused, and one for another time accepted, the result says how far the clock is off."""
    ahead = Clock(lambda: SYSTEM_CLOCK.now() + timedelta(minutes=30), UTC)
    with with_clients(tmp_path) as server:
        _, results = doctor(server.client.base, *key_file, clock=ahead)
    assert results["Good token"]["state"] == "failed"
    assert "the service's clock is 14 to 31 minutes behind" in results["Good token"]["found"]


def test_instances_without_a_common_store(tmp_path, doctor, key_file, monkeypatch):
    """Instances behind a balancer that do not share a store accept a token once each; that is the advice."""
    port = free_port()
    monkeypatch.setattr(proxy, "free_port", lambda: port)
    folders = [tmp_path / name for name in ("a", "b", "proxy")]
    for folder in folders:
        folder.mkdir()
    with (
        with_clients(folders[0], f"https://localhost:{port}") as first,
        with_clients(folders[1], f"https://localhost:{port}") as other,
        proxy.nginx(folders[2], first.port, other.port) as server,
    ):
        _, results = doctor(server.client.base, *key_file, "--ca-file", str(folders[2] / "authority.pem"))
    assert results["Replayed token"]["state"] == "failed"
    assert "PLEXUS_CDS_STORE_URL" in results["Replayed token"]["what_to_do"]


def test_fhir_server_is_not_read_while_the_card_is_off(tmp_path, doctor):
    """Where the card is off no record is read, so nothing is said of the FHIR server."""
    file = tmp_path / "site.toml"
    file.write_text(f"{CARD}\noff = true", encoding="utf-8")
    settings = {"site_file": str(file), "store_url": f"sqlite:///{tmp_path}/store.sqlite3"}
    with granian("--development", **settings) as server:
        _, results = doctor(server.client.base, "--fhir-server", "http://127.0.0.1:1/fhir")
    assert results["FHIR server"]["state"] == "not checked"


@pytest.mark.parametrize("path", ["/cds-services/", "{hook}", "{hook}/feedback/"])
def test_the_url_of_an_endpoint(path, open_server, doctor):
    """The URL of discovery, a hook or its feedback, as it is registered in the EHR, is read as the base URL."""
    url = open_server.client.base + path.format(hook="/cds-services/lumbosacral-plexus-mri-order-select")
    code, results = doctor(url)
    assert (code, results["Discovery"]["state"]) == (0, "ok")


WRONG_USE = {
    "no scheme": (
        ["cds.example.org"],
        1,
        'must be an https:// or http:// URL such as https://cds.example.org, not "cds',
    ),
    "an instance without a scheme": (
        ["--instance", "10.0.0.5:8080"],
        1,
        'http:// URL such as https://cds.example.org, not "10',
    ),
    "a URL with a query": (["https://cds.example.org/?a=1"], 1, 'not "https://cds.example.org/?a=1"'),
    "a key without its issuer": (["--key", "key.json"], 2, "--key needs --issuer"),
    "a key file that is missing": (["--key", "none.json", "--issuer", ISSUER], 1, "none.json cannot be read"),
    "authorities that are missing": (["--ca-file", "none.pem"], 1, "--ca-file: none.pem cannot be read"),
}


@pytest.mark.parametrize(("options", "code", "fault"), WRONG_USE.values(), ids=WRONG_USE)
def test_wrong_use(options, code, fault, capsys):
    """What is given wrongly is said before anything is called."""
    assert main(["doctor", "http://127.0.0.1:1", *options]) == code
    assert fault in capsys.readouterr().err
