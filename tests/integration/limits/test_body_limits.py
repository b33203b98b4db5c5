"""What a body may be: each limit at its edge, and what is said beyond it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.bodies import LARGE, SMALL, WATCHED, hook_call
from cds_service import examples
from cds_service.config.settings import Settings
from cds_service.web import request_body
from cds_service.web.app import create_app
from cds_service.web.request_body import count_values
from tests.support import notation
from tests.support.corpus import call
from tests.support.service import ORDER_SELECT, TODAY, Client, serving

FIELD = Path(__file__).parents[2] / "contract" / "field" / "calls.ndjson"
MIB = 1024 * 1024
GOOD = json.dumps(call())


def with_member(text: str) -> bytes:
    """Return the good call with a member that nobody reads; it stands one level deep."""
    return f'{{"x": {text}, {GOOD[1:]}'.encode()


def nested(levels: int) -> bytes:
    """Return the good call, with lists and objects nested so many levels deep in all."""
    return with_member(
        '{"a": [' * ((levels - 1) // 2) + ("[]" if levels % 2 == 0 else "7") + "]}" * ((levels - 1) // 2)
    )


def diagnosed(response) -> tuple[int, str]:
    """Return the status and the text of an OperationOutcome."""
    assert response.json()["resourceType"] == "OperationOutcome"
    return response.status_code, response.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize("depth", [32, 64, 65])
def test_depth(depth, knowledge):
    """A body is read up to the depth of the setting, and one level more is a 400 that says so."""
    with serving(create_app(Settings(body_depth=depth), knowledge)) as base:
        client = Client(base)
        assert client.cards(nested(depth))
        status, text = diagnosed(client.post(nested(depth + 1)))
    assert (status, f"more than {depth} levels" in text) == (400, True)


def test_depth_beyond_any_parser(service):
    """A depth at which parsers themselves give up is a 400, too."""
    padding = f'"{"x" * MIB}"'  # with it they are not too many values
    status, text = diagnosed(service.post(with_member(f'{padding}, "y": {"[" * 100_000}{"]" * 100_000}')))
    assert (status, "too deeply" in text) == (400, True)


def test_brackets_in_a_text_are_no_depth(service):
    """What stands in a text does not count, whether it opens or closes."""
    assert service.cards(with_member(json.dumps("[{" * 500)))
    assert service.post(with_member(nested(100).decode().replace("7", '"]}]}"'))).status_code == 400


NUMBERS = {
    "18446744073709551615": "",
    "18446744073709551616": "too large",
    "-9223372036854775808": "",
    "-9223372036854775809": "too large",
    "1" * 1001: "more than 1000 digits",
    "-" + "1" * 5000: "more than 1000 digits",
    "1" * 4301: "more than 1000 digits",
    "0." + "3" * 998: "",
    "0." + "3" * 999: "more than 1000 digits",
    "1e308": "",
    "1e309": "too large",
    "-1e309": "too large",
    "NaN": "NaN is not a JSON number",
    "-Infinity": "-Infinity is not a JSON number",
}


@pytest.mark.parametrize(
    ("number", "fault"), NUMBERS.items(), ids=[f"{number[:25]} of {len(number)}" for number in NUMBERS]
)
def test_numbers(number, fault, service):
    """A number that every reader reads alike is taken, and any other is a 400 that says why."""
    response = service.post(with_member(number))
    assert response.status_code == (400 if fault else 200)
    assert fault in response.text


@pytest.mark.parametrize("size", [20_000, 2 * MIB])
@pytest.mark.parametrize("value", ["7,", "7,\n ", "[],", '{"a":[[7]]},', f"{'[' * 40}7{']' * 40},"])
@pytest.mark.parametrize("fast_path", [True, False])
def test_values(value, size, fast_path, knowledge):
    """A body of more values than a call of its size, or of any size, can have is refused, on both ways of a call."""
    most = min(4 * MIB // 16, 1000 + size // 10)
    around = with_member('[%s7, ""]').decode()
    times = (most - count_values(around.encode())) // count_values(value.encode())

    def body(times: int) -> bytes:
        text = around.replace("%s", value * times)
        return text.replace('""', f'"{"x" * (size - len(text))}"').encode()

    assert len(body(times)) == size
    with serving(create_app(Settings(body_megabytes=4, fast_path=fast_path), knowledge)) as base:
        client = Client(base)
        assert client.cards(body(times))
        status, text = diagnosed(client.post(body(times + 1)))
    assert (status, f"{most} values" in text) == (413, True)


def test_a_dense_body_is_not_parsed(service, monkeypatch):
    """What is refused for its many values costs next to nothing: no parser sees it."""
    monkeypatch.setattr(request_body, "strict_json", None)
    assert service.post(with_member(f"[{'[{}],' * 50_000}7]")).status_code == 413


def every_call() -> Iterator[dict]:
    """Yield the calls of the vignettes, of the field, of fixtures and of the benchmarks."""
    yield from (notation.call(row, TODAY) for row in notation.rows("vignettes.csv"))
    yield from (json.loads(line)["call"] for line in FIELD.read_text(encoding="utf-8").splitlines())
    yield from (examples.example("calls", name, TODAY) for name in examples.names("calls"))
    yield from (hook_call(WATCHED, chart) for chart in (SMALL, LARGE))


def test_calls_are_far_from_too_many_values():
    """Every call that we have, with as few blanks as can be, has less than half of the values that are too many."""
    texts = [json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() for body in every_call()]
    assert len(texts) > 1000
    assert max(count_values(text) / (1000 + len(text) // 10) for text in texts) < 0.5


@pytest.mark.parametrize("size", [1, 2])
def test_size(size, knowledge):
    """The setting is what counts: a body of so many MiB is read, and one byte more is a 413 that says so."""
    with serving(create_app(Settings(body_megabytes=size), knowledge)) as base:
        client = Client(base)
        assert client.cards(GOOD.encode() + b" " * (size * MIB - len(GOOD.encode())))
        status, text = diagnosed(client.post(b" " * (size * MIB + 1)))
    assert (status, f"{size} MiB" in text) == (413, True)


@pytest.mark.parametrize(("coding", "status"), [("identity", 200), ("gzip", 415), ("br", 415), ("deflate, gzip", 415)])
@pytest.mark.parametrize("path", [ORDER_SELECT, f"{ORDER_SELECT}/feedback"])
def test_compression(path, coding, status, service):
    """A body that says it is compressed is not read at all, so that a small one cannot become a huge one."""
    body = {"feedback": []} if path.endswith("feedback") else call()
    response = service.session.post(service.base + path, json=body, headers={"Content-Encoding": coding}, timeout=10)
    assert response.status_code == status
    assert ("Content-Encoding" in response.text) == (status == 415)
