"""Two site files, or two versions of the knowledge, on the same orders: cards gained and lost, by reason."""

import json
import shutil
from pathlib import Path

import pytest

from cds_service.cli import main
from tests.integration.backtest.command import CPT, condition, order, run, write
from tests.support.service import CLOCK

CARDS = Path(__file__).parents[3] / "cards"


@pytest.fixture
def remote(tmp_path):
    """Return an export of 40 patients with a remote cancer, 25 with prostate cancer and 30 with none."""
    orders = [order(number, f"p{number}") for number in range(95)]
    codes = ["C50.911"] * 40 + ["C61"] * 25 + ["I10"] * 30
    conditions = [condition(number, f"p{number}", code=code) for number, code in enumerate(codes)]
    return write(tmp_path / "export", ServiceRequest=orders, Condition=conditions)


@pytest.fixture
def other_knowledge(tmp_path):
    """Return a copy of the knowledge in which a silence has other words and lumbar MRIs are not monitored."""
    folder = tmp_path / "cards"
    shutil.copytree(CARDS, folder)
    table = folder / "lumbosacral_plexus_mri" / "lookback_windows.csv"
    text = table.read_text("utf-8")
    assert "\npresentation,365," in text
    table.write_text(text.replace("\npresentation,365,", "\npresentation,30,"), "utf-8")
    return folder


def test_policies(remote, tmp_path):
    """The focused policy loses the cards on remote cancer alone, and says so by its reason."""
    site = tmp_path / "site.toml"
    site.write_text('cards.lumbosacral-plexus-mri.policy = "focused"\n', "utf-8")
    summary, *_ = run(remote, tmp_path / "out", "--compare", site)
    compared = summary["compared"]
    assert (summary["cards"]["total"], compared["cards"], compared["gained"], compared["lost"]) == (65, 25, 0, 40)
    assert compared["rows"] == [
        {"what": "lost", "before": "info", "after": "remote_without_presentation", "orders": 40}
    ]
    report = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "25 cards, 0 gained and 40 lost" in report
    assert "Compared with: site.toml." in report
    assert str(tmp_path) not in report


def test_few_changes_are_hidden(tmp_path):
    """Where few cards are lost, neither their number nor that of the other site file is told."""
    orders = [order(number, f"p{number}") for number in range(60)]
    conditions = [condition(n, f"p{n}", code="C50.911" if n < 5 else "C61") for n in range(60)]
    export = write(tmp_path / "export", ServiceRequest=orders, Condition=conditions)
    site = tmp_path / "site.toml"
    site.write_text('cards.lumbosacral-plexus-mri.policy = "focused"\n', "utf-8")
    compared = run(export, tmp_path / "out", "--compare", site)[0]["compared"]
    assert (compared["cards"], compared["lost"]) == (None, None)
    assert [row["orders"] for row in compared["rows"]] == [None]


def test_mapped_orders_are_gained(tmp_path):
    """A site file that maps an order code gains its cards, although the other one does not monitor them."""
    local = {"code": {"coding": [{"system": "urn:oid:1.2.3", "code": "X1"}]}}
    orders = [order(number, f"p{number}", **local) for number in range(12)]
    conditions = [condition(number, f"p{number}") for number in range(12)]
    export = write(tmp_path / "export", ServiceRequest=orders, Condition=conditions)
    site = tmp_path / "site.toml"
    site.write_text('[[orders]]\nsystem = "urn:oid:1.2.3"\ncode = "X1"\nstudy = "lumbar_spine_mri"\n', "utf-8")
    summary, *_ = run(export, tmp_path / "out", "--compare", site)
    assert summary["cards"]["total"] == 0
    assert summary["compared"]["gained"] == 12
    assert summary["compared"]["rows"][0]["before"] == "nothing_watched"


def test_knowledge_folders(tmp_path, other_knowledge):
    """Another folder of knowledge changes a warning on an older sign to information; --knowledge replaces ours."""
    weakness = [condition(100 + n, f"p{n}", when="2025-03-01", code="M21.371") for n in range(12)]
    cancers = [condition(number, f"p{number}") for number in range(12)]
    orders = [order(number, f"p{number}") for number in range(12)]
    export = write(tmp_path / "export", ServiceRequest=orders, Condition=[*cancers, *weakness])
    summary, *_ = run(export, tmp_path / "out", "--compare", other_knowledge)
    assert summary["cards"]["warning"] == 12
    assert summary["compared"]["rows"] == [{"what": "changed", "before": "warning", "after": "info", "orders": 12}]
    assert summary["compared"]["knowledge"] != summary["knowledge"]
    summary, *_ = run(export, tmp_path / "out", "--knowledge", other_knowledge)
    assert summary["cards"]["info"] == 12


def test_decide_by_other_knowledge(tmp_path, other_knowledge, capsys):
    """`decide --knowledge` decides by the knowledge of a folder."""
    call = tmp_path / "call.json"
    sign = condition(2, "a", when="@today-3m", code="M21.371")
    body = {
        "hook": "order-select",
        "hookInstance": "1",
        "context": {"patientId": "a", "draftOrders": {"entry": [{"resource": order() | {"status": "draft"}}]}},
        "prefetch": {
            "conditions": {"resourceType": "Bundle", "entry": [{"resource": sign}, {"resource": condition()}]},
            "procedures": {"resourceType": "Bundle"},
        },
    }
    call.write_text(json.dumps(body), "utf-8")
    assert body["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"][0]["system"] == CPT
    indicators = []
    for options in ([], ["--knowledge", str(other_knowledge)]):
        assert main(["decide", str(call), "--cards", *options], CLOCK) == 0
        indicators.append(json.loads(capsys.readouterr().out)["cards"][0]["indicator"])
    assert indicators == ["warning", "info"]


def test_diff_knowledge(other_knowledge, capsys):
    """`diff-knowledge` lists the cases whose answer is another, as a table and as JSON; equal versions have none."""
    assert main(["diff-knowledge", str(CARDS), str(other_knowledge)], CLOCK) == 0
    first, header, *rows = capsys.readouterr().out.splitlines()
    assert f"{len(rows)} of " in first
    assert header.split()[:3] == ["call", "old", "new"]
    assert rows
    assert main(["diff-knowledge", str(CARDS), str(other_knowledge), "--json"], CLOCK) == 0
    changes = json.loads(capsys.readouterr().out)
    assert len(changes["changed"]) == len(rows)
    assert all(row["old"] != row["new"] or row["changed"] for row in changes["changed"])
    assert main(["diff-knowledge", str(CARDS), str(CARDS), "--json"], CLOCK) == 0
    assert json.loads(capsys.readouterr().out)["changed"] == []
