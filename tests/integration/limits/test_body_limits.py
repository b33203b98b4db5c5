"""What a body may be: each limit at its edge, and what is said beyond it."""

import json

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.corpus import call
from tests.support.service import ORDER_SELECT, Client, serving

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
    status, text = diagnosed(service.post(with_member("[" * 100_000 + "]" * 100_000)))
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


@pytest.mark.parametrize(("value", "marks"), [("7,", 1), ("7,\n ", 1), ("[],", 2), ('{"a":[[7]]},', 4)])
def test_values(value, marks, knowledge):
    """A body of more values than a chart of its size can have is refused before it is parsed."""
    own = sum(with_member("[7]").count(mark) for mark in (b",", b"[", b"{"))
    times = (MIB // 16 - own) // marks
    with serving(create_app(Settings(body_megabytes=1), knowledge)) as base:
        client = Client(base)
        assert client.cards(with_member(f"[{value * times}7]"))
        status, text = diagnosed(client.post(with_member(f"[{value * (times + 1)}7]")))
    assert (status, "65536 values" in text) == (413, True)


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
