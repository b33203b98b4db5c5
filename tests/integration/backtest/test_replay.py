"""The counts are those of the decision itself, asked order by order on the record of that moment."""

import json
from collections import Counter, defaultdict
from datetime import date, datetime

import pytest

from cds_service.decision.order_select import decide
from cds_service.model import Recommendation, Site
from tests.integration.backtest.command import ORDERED, condition, order, run, write


def resources(folder, kind):
    """Return the resources of a type in an export."""
    lines = [line for file in sorted(folder.glob(f"{kind}.*")) for line in file.read_text("utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def was_known(entry, ordered: str) -> bool:
    """Return whether an entry was on the record: to the minute where both have a time, else to the day."""
    recorded = entry.get("recordedDate") or entry.get("performedDateTime")
    if recorded is None:
        return True
    if "T" in recorded and "T" in ordered:
        return datetime.fromisoformat(recorded) <= datetime.fromisoformat(ordered)
    return recorded[:10] <= ordered[:10]


def without(entry, ordered: str) -> str:
    """Return why nobody can tell whether an entry was on the record, or no text."""
    recorded = entry.get("recordedDate") or entry.get("performedDateTime")
    if recorded is None:
        return "undated"
    same = recorded[:10] == ordered[:10] and not ("T" in recorded and "T" in ordered)
    return "same_day" if same else ""


def bundle(entries) -> dict:
    """Return a Bundle of resources."""
    return {"resourceType": "Bundle", "entry": [{"resource": entry} for entry in entries]}


def results(calls, entries, knowledge, leave_out=()):
    """Yield the result of each order, deciding the calls one by one."""
    for (patient, _, ordered), orders in calls.items():
        known = [
            entry
            for entry in entries[patient]
            if was_known(entry, ordered) and without(entry, ordered) not in leave_out
        ]
        body = {
            "hook": "order-select",
            "hookInstance": "1",
            "context": {"patientId": patient, "draftOrders": bundle(order | {"status": "draft"} for order in orders)},
            "prefetch": {
                f"{kind.lower()}s": bundle(entry for entry in known if entry["resourceType"] == kind)
                for kind in ("Condition", "Procedure")
            },
        }
        day = date.fromisoformat(ordered[:10])
        decision = decide(body, "order-select", knowledge, Site(), today=day, fetch=None, new_id=lambda: "id")
        rows = [
            outcome.indicator if isinstance(outcome, Recommendation) else outcome.reason
            for outcome in decision.outcomes
            if outcome.order
        ]
        yield from rows
        yield from ["nothing_watched"] * (len(orders) - len(rows))


def test_counts_are_the_decisions(hospital, tmp_path, knowledge):
    """Cards and silences of a hospital are those of a plain loop that decides each call, and so are the bounds."""
    calls, entries = defaultdict(list), defaultdict(list)
    for resource in resources(hospital, "ServiceRequest"):
        if resource["status"] != "entered-in-error":
            patient = resource["subject"]["reference"].removeprefix("Patient/")
            calls[patient, resource["encounter"]["reference"], resource["authoredOn"]].append(resource)
    for kind in ("Condition", "Procedure"):
        for resource in resources(hospital, kind):
            entries[resource["subject"]["reference"].removeprefix("Patient/")].append(resource)
    expected = Counter(results(calls, entries, knowledge))
    summary, *_ = run(hospital, tmp_path, "--at-least", 1, apart=True)
    cards = {name: expected.pop(name) for name in ("info", "warning")}
    assert summary["cards"] == cards | {"total": sum(cards.values())}
    assert {reason: count for reason, count in summary["silences"].items() if count} == dict(expected)
    assert summary["orders"] == sum(expected.values()) + sum(cards.values())
    assert min(cards.values()) > 20
    assert len(expected) >= 4
    for name, leave_out in {
        "without_undated": ["undated"],
        "without_same_day": ["same_day"],
        "without_either": ["undated", "same_day"],
    }.items():
        counted = Counter(results(calls, entries, knowledge, leave_out))
        row = summary["without"][name]
        assert row["cards"] == counted["info"] + counted["warning"], name


@pytest.mark.parametrize("options", [["--workers", 1], ["--workers", 3]])
def test_workers_count_alike(hospital, tmp_path, options):
    """However many processes run it, each file of the report is the same byte for byte."""
    run(hospital, tmp_path / "a", "--who", apart=True)
    run(hospital, tmp_path / "b", "--who", *options, apart=True)
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert names == sorted(file.name for file in (tmp_path / "b").iterdir())
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("recorded", "cards"),
    [
        ("2025-06-02T09:59:00+00:00", 1),
        ("2025-06-02T10:01:00+00:00", 0),
        ("2025-06-02T11:59:00+02:00", 1),
        ("2025-06-02T05:30:00-05:00", 0),
        ("2025-06-01", 1),
        ("2025-06-02", 1),
        ("2025-06-03", 0),
        ("2025", 1),
        ("2026", 0),
        ("not a date", 1),
        (None, 1),
    ],
)
def test_record_of_the_moment(tmp_path, recorded, cards):
    """What was recorded after the order's moment is left out: by the instant, else by the day."""
    export = write(tmp_path / "export", ServiceRequest=[order()], Condition=[condition(when=recorded)])
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1)
    assert summary["cards"]["total"] == cards


def test_orders_of_one_moment_are_one_call(tmp_path):
    """A plexus MRI ordered in the same encounter and moment is a draft of the same call; in another it is not."""
    plexus = {"code": {"text": "MRI lumbosacral plexus without and with IV contrast"}}
    together, apart = {"encounter": {"reference": "Encounter/1"}}, {"encounter": {"reference": "Encounter/2"}}
    export = write(
        tmp_path / "export",
        ServiceRequest=[
            *[order(1, "a", **together), order(2, "a", **together, **plexus)],
            *[order(3, "b", **together), order(4, "b", **apart, **plexus)],
        ],
        Condition=[condition(1, "a"), condition(2, "b")],
    )
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1)
    assert summary["silences"]["already_drafted"] == 1
    assert summary["cards"]["total"] == 1
    assert summary["silences"]["nothing_watched"] == 2


def test_period(tmp_path):
    """Orders outside of the period are counted apart, and the period's weeks without an order count as weeks."""
    days = ["2025-05-31", "2025-06-01", "2025-06-30", "2025-07-01"]
    orders = [order(number, when=day) for number, day in enumerate(days)]
    export = write(tmp_path / "export", ServiceRequest=orders, Condition=[condition()])
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1, "--from", "2025-06-01", "--to", "2025-06-30")
    assert summary["orders"] == 2
    assert summary["left_out"] == {"outside_period": 2}
    assert summary["period"] == {"first_week": "2025-05-26", "weeks": 6}


def test_typing_errors_in_years(tmp_path):
    """An order of another century or of the future is outside of the period, and does not stretch the weeks."""
    orders = [order(number, when=day) for number, day in enumerate(["0205-06-02", "2025-06-02", "2205-06-02"])]
    export = write(tmp_path / "export", ServiceRequest=orders, Condition=[condition()])
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1)
    assert summary["left_out"] == {"outside_period": 2}
    assert summary["period"] == {"first_week": "2025-06-02", "weeks": 1}


def test_site_file(tmp_path):
    """The site's own codes are replayed as mapped; a switched-off card is replayed as if it were on."""
    local = {"code": {"coding": [{"system": "urn:oid:1.2.3", "code": "X1"}]}}
    export = write(tmp_path / "export", ServiceRequest=[order(**local)], Condition=[condition()])
    site = tmp_path / "site.toml"
    site.write_text(
        "cards.lumbosacral-plexus-mri.off = true\n"
        '[[orders]]\nsystem = "urn:oid:1.2.3"\ncode = "X1"\nstudy = "lumbar_spine_mri"\n',
        "utf-8",
    )
    assert run(export, tmp_path / "out", "--at-least", 1)[0]["cards"]["total"] == 0
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1, env={"PLEXUS_CDS_SITE_FILE": str(site)})
    assert summary["cards"]["total"] == 1


def test_unmapped_orders_come_with_lines_for_the_site_file(tmp_path):
    """An unknown code is listed with lines that `check-config` refuses until a study is chosen."""
    unknown = {"code": {"coding": [{"system": "urn:oid:1.2.3", "code": 'X"1', "display": "SPINE PROTOCOL 4"}]}}
    by_words = {"code": {"coding": [{"system": "urn:oid:1.2.3", "code": "X2", "display": "MRI L-SPINE"}]}}
    orders = [order(1, **unknown), order(2, **by_words), order(3)]
    unread = condition(code="17", when=ORDERED)
    unread["code"] = {"coding": [{"system": "urn:oid:9.9", "code": "17", "display": "Prostate cancer"}]}
    export = write(tmp_path / "export", ServiceRequest=orders, Condition=[unread])
    summary, *_ = run(export, tmp_path / "out", "--at-least", 1)
    rows = {row["code"]: row for row in summary["unmapped_orders"]}
    assert rows['X"1']["recognized"] == "not_recognized"
    assert rows["X2"]["study"] == "lumbar_spine_mri"
    lines = (tmp_path / "out" / "unmapped_orders.csv").read_text("utf-8")
    assert 'study = ""CHOOSE""' in lines
    assert 'study = ""lumbar_spine_mri""' in lines
    (system, row) = summary["unmapped_entries"]
    assert (system["system"], system["code"]) == ("urn:oid:9.9", "")
    assert (row["name"], row["code"], row["patients"]) == ("Prostate cancer", "17", 1)
    assert row["reads_as"]
