"""What a byte of a made-up call costs beside one of a large chart: python -m benchmarks.byte_costs.

A generated search fills each member of a hook call, one at a time, with small values, deep levels, many names, one long
string or long texts, and sends it to the application in this process, on both ways. It prints the worst, and exits
with 1 where a byte of one costs more than three times as much. It counts CPU time and takes the least of several runs,
so it may share the machine.
"""

import argparse
import contextlib
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from benchmarks.bodies import LARGE, SMALL, WATCHED, as_bytes, hook_call
from cds_service.background import task_queue
from cds_service.config.settings import Settings
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.validation_stamp import checked_knowledge
from cds_service.web.app import create_app, tune_garbage_collector
from cds_service.web.request_body import FEWEST_BYTES_PER_VALUE, count_values

GOAL = 3.0
"""The most that a byte may cost, in bytes of a large chart."""

_PATH = "/cds-services/lumbosacral-plexus-mri-order-select"
_ROUNDS = 9
"""In which the worst are measured again; the least counts."""
_SHOWN = 12
_LEVELS = 40
_TEXT = 2000
"""Characters of a text that are read."""
_SNOMED, _ICD = "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"
_RADIOTHERAPY = {"coding": [{"system": _SNOMED, "code": "108290001"}]}

Where = tuple[str | int, ...]
Filler = Callable[[int], Any]
"""Makes a value of about so many bytes."""


class Case(NamedTuple):
    """A call with one member filled."""

    where: Where
    filler: str
    body: bytes
    least: bytes
    """The same with the least of the filler: what the two differ in is due to the bytes."""

    @property
    def name(self) -> str:
        """Return what is filled with what."""
        return f"{'.'.join(map(str, self.where))} <- {self.filler}"


def main() -> None:
    """Search, measure the worst again, print them, and exit with 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kilobytes", type=int, nargs="+", default=[16, 65, 500], help="sizes of the bodies")
    parser.add_argument("--minutes", type=float, default=5.0, help="of the search, for each size and way")
    parser.add_argument("--seed", type=int, default=1, help="another one tries other members, fillers and texts first")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        apps = _apps(Path(folder))
        worst = max(
            _search(way, app, kilobytes * 1000, options.minutes * 60, random.Random(options.seed))  # noqa: S311
            for kilobytes in options.kilobytes
            for way, app in apps.items()
        )
    print(f"The goal of {GOAL:.1f} is {'met' if worst <= GOAL else 'missed'}: the worst byte costs {worst:.1f}.")
    sys.exit(worst > GOAL)


def _apps(folder: Path) -> dict[str, Flask]:
    """Return the application by the way that a call takes through it."""
    url = f"sqlite:///{folder / 'store.sqlite3'}"
    migrate(Store(url))
    settings = {"store_url": url, "calls_per_minute": 0}
    apps = {
        way: create_app(Settings.model_validate({**settings, "fast_path": is_fast}))
        for way, is_fast in (("fast path", True), ("Flask", False))
    }
    tune_garbage_collector()
    return apps


def _search(way: str, app: Flask, size: int, seconds: float, chance: random.Random) -> float:
    """Try members and fillers for so long, print the worst by multiples of a byte of a chart, and return the first."""
    texts = _texts(chance)
    jobs = [(where, name) for where in _places(full_call()) for name in fillers(full_call(), texts)]
    chance.shuffle(jobs)
    large, small = (as_bytes(hook_call(WATCHED, chart)) for chart in (LARGE, SMALL))
    tried, end = [], time.monotonic() + seconds
    for where, name in jobs:
        if time.monotonic() > end:
            break
        with contextlib.suppress(ValueError, RecursionError):
            case = _case(where, name, size, texts)
            tried.append((_cpu(app, case.body) / len(case.body), case))
    tried.sort(key=lambda row: row[0], reverse=True)
    cases = [case for _, case in tried[: 3 * _SHOWN]]
    base, multiples = _measured_again(app, large, small, cases)
    print(
        f"\n{size // 1000} kB, {way}: {len(tried)} of {len(jobs)} tried; "
        f"a byte of a chart of {len(large) // 1000} kB costs {base * 1e9:.0f} ns"
    )
    ranked = sorted(zip(multiples, cases, strict=True), key=lambda row: row[0], reverse=True)
    for multiple, case in ranked[:_SHOWN]:
        print(f"{multiple:6.1f}  {_send(app, case.body)}  {len(case.body):7} B  {case.name}", flush=True)
    return round(ranked[0][0], 1)


def _measured_again(app: Flask, large: bytes, small: bytes, cases: Sequence[Case]) -> tuple[float, list[float]]:
    """Return the seconds of a byte of the large chart, and of each case their multiple; the least of some rounds."""
    base, costs = float("inf"), [float("inf")] * len(cases)
    for _ in range(_ROUNDS):
        base = min(base, _per_byte(app, large, small, 1))
        costs = [min(cost, _cpu(app, case.body)) for cost, case in zip(costs, cases, strict=True)]
    fixed = [min(_cpu(app, case.least) for _ in range(_ROUNDS)) for case in cases]
    return base, [
        (cost - least) / (len(case.body) - len(case.least)) / base
        for cost, least, case in zip(costs, fixed, cases, strict=True)
    ]


def _per_byte(app: Flask, large: bytes, small: bytes, runs: int) -> float:
    seconds = [min(_cpu(app, body) for _ in range(runs)) for body in (large, small)]
    return (seconds[0] - seconds[1]) / (len(large) - len(small))


def _cpu(app: Flask, body: bytes) -> float:
    """Return the CPU seconds of one call, with what is done after its response."""
    environ = EnvironBuilder(_PATH, method="POST", data=body, content_type="application/json").get_environ()
    started = time.process_time()
    run_wsgi_app(app.wsgi_app, environ, buffered=True)
    task_queue.drain()
    return time.process_time() - started


def _send(app: Flask, body: bytes) -> int:
    environ = EnvironBuilder(_PATH, method="POST", data=body, content_type="application/json").get_environ()
    status: str = run_wsgi_app(app.wsgi_app, environ, buffered=True)[1]
    return int(status[:3])


# What is filled


def full_call() -> dict[str, Any]:
    """Return a call that has every member that the service reads, and some that it does not."""
    call = hook_call(WATCHED, (3, 3))
    [entry] = call["context"]["draftOrders"]["entry"]
    entry["fullUrl"] = "urn:uuid:1"
    entry["resource"] |= {
        "id": "o1", "priority": "routine", "authoredOn": "2026-01-01", "occurrenceDateTime": "2026-01-01",
        "reasonCode": [{"text": "left foot drop", "coding": [{"system": _SNOMED, "code": "6077001", "display": "x"}]}],
        "reasonReference": [{"reference": "#c1", "display": "x"}],
        "contained": [
            {"resourceType": "Condition", "id": "c1", "code": {"coding": [{"system": _SNOMED, "code": "254837009"}],
             "text": "breast cancer"}}
        ],
        "supportingInfo": [{"reference": "Condition/condition-1"}], "basedOn": [{"reference": "ServiceRequest/o0"}],
        "note": [{"text": "x"}], "bodySite": [{"text": "lumbar"}], "orderDetail": [{"text": "with contrast"}],
        "extension": [{"url": "u", "valueString": "x"}], "identifier": [{"system": "s", "value": "v"}],
        "doNotPerform": False,
    }  # fmt: skip
    call["context"]["selections"] = ["ServiceRequest/o1"]
    for bundle in call["prefetch"].values():
        bundle["link"] = [{"relation": "self", "url": "x"}]
        bundle["entry"][0] |= {"fullUrl": "http://a/b/1", "search": {"mode": "match"}}
        bundle["entry"][0]["resource"] |= {
            "bodySite": [{"coding": [{"system": _SNOMED, "code": "12738006", "display": "x"}], "text": "pelvis"}],
            "extension": [{"url": "u", "valueString": "x"}], "modifierExtension": [{"url": "u"}],
            "note": [{"text": "x"}], "identifier": [{"system": "s", "value": "v"}],
            "reasonReference": [{"reference": "Condition/condition-1"}], "reasonCode": [{"text": "cancer"}],
            "contained": [{"resourceType": "Condition", "id": "c1"}], "stage": [{"summary": {"text": "IV"}}],
            "evidence": [{"code": [{"text": "x"}]}], "abatementDateTime": "2020-01-01", "onsetAge": {"value": 5},
            "onsetPeriod": {"start": "2020-01-01", "end": "2020"}, "performedPeriod": {"start": "2020-01-01"},
            "statusReason": {"text": "x"}, "outcome": {"text": "x"}, "severity": {"text": "x"},
            "followUp": [{"text": "x"}], "usedCode": [{"text": "x"}],
        }  # fmt: skip
    return call | {"fhirServer": "http://127.0.0.1:1/fhir", "extension": {"x": 1}}


def _places(value: Any, where: Where = ()) -> Iterator[Where]:
    """Yield the way to each member, of a list that to its first."""
    if where:
        yield where
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, (*where, name))
    elif isinstance(value, list) and value:
        yield from _places(value[0], (*where, 0))


def _case(where: Where, name: str, size: int, texts: Mapping[str, str]) -> Case:
    """Return a call with a member filled."""
    bodies = []
    for bytes_of_filler in (size, 1):
        call = full_call()
        holder: Any = call
        for step in where[:-1]:
            holder = holder[step]
        holder[where[-1]] = fillers(holder[where[-1]], texts)[name](bytes_of_filler)
        bodies.append(as_bytes(call))
    return Case(where, name, *bodies)


# What it is filled with


_VALUES: tuple[Any, ...] = (
    1, 1.5, None, True, "", "x", {}, [], [{}], "ServiceRequest/o1", "2020-01-01",
    {"system": _SNOMED, "code": "254837009"}, {"system": "x", "code": "y"}, {"display": "x"}, {"url": "u"},
    {"coding": [{"code": "C61"}]}, {"coding": [{"code": "C61", "system": _ICD}]}, {"text": "foot drop"},
    {"reference": "#c1"}, {"reference": "Condition/condition-1"}, {"resourceType": "Condition"},
    {"resource": {"resourceType": "Condition"}}, {"resource": {"resourceType": "Procedure"}},
    {"resource": {"resourceType": "Condition", "code": {"text": "cancer"}}},
    {"resource": {"resourceType": "ServiceRequest"}},
    {"resource": {"resourceType": "ServiceRequest", "code": {"coding": [{"code": "x"}]}}},
    {"resource": {"resourceType": "Procedure", "status": "completed", "code": _RADIOTHERAPY}},
)  # fmt: skip
"""Of these there is a list of equal ones."""

_DISTINCT: Mapping[str, Callable[[int], Any]] = {
    "texts": lambda i: {"text": f"t{i} ca"},
    "strings": lambda i: f"S/{i}",
    "codes": lambda i: {"system": _SNOMED, "code": str(i)},
    "systems": lambda i: {"system": f"s{i}", "code": "1"},
    "references": lambda i: {"reference": f"#c{i}"},
    "contained": lambda i: {"resourceType": "Condition", "id": f"c{i}", "code": {"text": f"breast cancer {i}"}},
    "conditions": lambda i: {"resource": {"resourceType": "Condition", "id": f"c{i}"}},
    "tumors": lambda i: {
        "resource": {
            "resourceType": "Condition",
            "code": {"coding": [{"system": _ICD, "code": f"C{i % 99}.{i}"}]},
        }
    },
    "systems of entries": lambda i: {
        "resource": {"resourceType": "Condition", "code": {"coding": [{"system": f"s{i}", "code": "1"}]}}
    },
}
"""Of these there is a list of different ones."""

_REPEATED = (
    *'9a/# -?.0|"\\\u0000\u00e9\u0130\u0663\ud800', "1-", "a/", "a b ", "2020-01-01T", "ca ", "foot drop ", "no ",
    "%41", "http://", "C61 ", "mri ", "e\u0301\u0300", "urn:", "no pain, ", "x2wks ",
)  # fmt: skip
"""Of these there is one long string."""


def fillers(own: Any, texts: Mapping[str, str]) -> dict[str, Filler]:
    """Return what a member is filled with, by name; `own` is its value, and `texts` are repeated in long ones."""
    equal = {json.dumps(value): value for value in _VALUES}
    equal["its own value"] = own[0] if isinstance(own, list) and own else own
    return {
        **{f"a list of {name}": _list_of_equal(value) for name, value in equal.items()},
        **{f"a list of different {name}": _list_of(value) for name, value in _DISTINCT.items()},
        **{f"{text!r} repeated": _repeated(text) for text in _REPEATED},
        **{f"{name} repeated": _repeated(text) for name, text in texts.items()},
        **{f"different long texts of {name}": _long_texts(text) for name, text in texts.items()},
        **{
            f"Conditions with long texts of {name}": _long_texts(text, in_conditions=True)
            for name, text in texts.items()
        },
        "many names": lambda size: dict.fromkeys((f"n{i}" for i in range(size // 9)), 1),
        "many names of objects": lambda size: {f"name{i}": {} for i in range(size // 16)},
        "many Bundles": lambda size: {f"n{i}": {"resourceType": "Bundle", "entry": []} for i in range(size // 45)},
        "deep lists": _deep(lambda inner: [inner]),
        "deep objects": _deep(lambda inner: {"x": inner}),
        "deep extensions": _deep(lambda inner: {"extension": [inner]}, levels=_LEVELS // 2),
        "deep references": _deep(lambda inner: {"reference": "#c1", "extension": [inner]}, levels=_LEVELS // 2),
        "a long number": lambda size: int("9" * min(size, 4000)),
    }


def _list_of_equal(value: Any) -> Filler:
    return _list_of(lambda _: value)


def _list_of(value: Callable[[int], Any]) -> Filler:
    """Return what makes a list, as dense as it is not refused: where its values are small, a long string ends it."""
    one = as_bytes(value(10_000)) + b","
    share = min(1, len(one) / count_values(one) / FEWEST_BYTES_PER_VALUE)

    def make(size: int) -> list[Any]:
        values = [value(number) for number in range(max(1, int(share * size) // len(one)))]
        return [*values, *(["x" * int((1 - share) * size)] if share < 1 else [])]

    return make


def _repeated(text: str) -> Filler:
    each = len(json.dumps(text)) - 2
    return lambda size: (text * (size // each + 1))[: max(1, size)]


def _long_texts(text: str, *, in_conditions: bool = False) -> Filler:
    """Return what makes a list of different texts, each as long as is read."""

    def make(size: int) -> list[Any]:
        texts = [{"text": f"{number} {_from(text, 97 * number)}"} for number in range(size // _TEXT + 1)]
        if not in_conditions:
            return texts
        return [{"resource": {"resourceType": "Condition", "code": concept}} for concept in texts]

    return make


def _from(text: str, start: int) -> str:
    """Return as much of a text, repeated, as is read of one."""
    start %= len(text)
    return (text[start:] + text * (_TEXT // len(text) + 1))[:_TEXT]


def _deep(outer: Callable[[Any], Any], levels: int = _LEVELS) -> Filler:
    value: Any = 1
    for _ in range(levels):
        value = outer(value)
    return _list_of_equal(value)


def _texts(chance: random.Random) -> dict[str, str]:
    """Return texts of phrases that are read in typed text, in no sensible order: short ones, and one of three pages."""
    rows = checked_knowledge().reason_rows
    lists = {row["means"]: row["words"].split(";") for row in rows if row["topic"] == "list"}
    spellings = [spelling for row in rows for spelling in row["words"].split(";")]
    phrases = [re.sub(r"<(\w+)>", lambda name: chance.choice(lists[name[1]]), text).strip() for text in spellings]
    phrases += ["x 3 wks", "since 2019", "left", "and", "or", ",", "?", "(", "1", "-", "4/5", "@3"] * 20
    short = [f"{' '.join(chance.choices(phrases, k=chance.choice([1, 2, 3, 6])))} " for _ in range(7)]
    return {
        **{repr(text): text for text in short},
        "phrases in any order": f"{' '.join(chance.choices(phrases, k=600))} ",
    }


if __name__ == "__main__":
    main()
