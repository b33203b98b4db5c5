"""The shipped alerts fire where they should: Prometheus's own unit tests of rules, and errors planted for them."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.monitoring.prometheus import RULES, program

FOLDER = Path(__file__).parent
UNIT_TESTS = sorted(FOLDER.glob("*.test.yaml"))
PAGE = FOLDER.parents[2] / "docs" / "operations.md"
SEVERITIES = {"critical", "warning", "info"}


def groups() -> list[dict]:
    """Return the groups of rules."""
    return yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]


def alerts(rule_groups: list[dict]) -> list[dict]:
    """Return the alerts of groups of rules."""
    return [rule for group in rule_groups for rule in group["rules"] if "alert" in rule]


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end."""
    command = [program("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_promtool_accepts_the_rules():
    """The file is what Prometheus loads."""
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_where_it_should():
    """Each alert fires above its threshold with its text, and not below it; on a good day none does."""
    done = promtool("test", "rules", *UNIT_TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested():
    """The unit tests have each alert, firing."""
    fires = {
        case["alertname"]
        for file in UNIT_TESTS
        for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
        for case in test.get("alert_rule_test", ())
        if case.get("exp_alerts")
    }
    assert fires == {alert["alert"] for alert in alerts(groups())}


def reversed_comparisons(expression: str) -> str:
    """Return an expression whose thresholds are crossed from the other side."""
    other = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "!="}
    return re.sub(r"(?<= )(>=|<=|==|>|<)(?= )", lambda match: other[match[1]], expression)


def misspelled(expression: str) -> str:
    """Return an expression with a metric that does not exist."""
    return re.sub(r"plexus_cds_|\bup\b", "plexus_cdx_", expression)


def raised(expression: str) -> str:
    """Return an expression with thresholds that are far too high; zeros stay."""
    return re.sub(r"(?<=[><] )(?!0\b(?!\.))[\d.]+", lambda match: str(float(match[0]) * 1000), expression)


@pytest.mark.parametrize(("damage", "fewest"), [(reversed_comparisons, 24), (misspelled, 23), (raised, 13)])
def test_a_planted_error_is_noticed(damage, fewest, tmp_path):
    """The unit tests notice an error in each alert: a metric misspelled, a threshold reversed or far too high."""
    damaged, changed = groups(), set()
    for alert in alerts(damaged):
        before, alert["expr"] = alert["expr"], damage(alert["expr"])
        changed |= {alert["alert"]} if alert["expr"] != before else set()
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": damaged}), encoding="utf-8")
    for file in UNIT_TESTS:
        text = file.read_text(encoding="utf-8").replace("../../../deploy/prometheus-rules.yaml", "rules.yaml")
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    done = promtool("test", "rules", *sorted(tmp_path.glob("*.test.yaml")))
    noticed = set(re.findall(r"alertname: (\w+),", done.stdout + done.stderr))
    assert len(changed) >= fewest
    assert changed - noticed == set()


def test_each_alert_has_what_its_reader_needs():
    """Each alert has a severity, one sentence, and where the runbook is."""
    for alert in alerts(groups()):
        assert alert["labels"].keys() == {"severity"}
        assert alert["labels"]["severity"] in SEVERITIES
        assert alert["annotations"].keys() == {"summary", "runbook"}
        assert alert["annotations"]["runbook"] == "docs/operations.md#runbook"
        assert len(alert["annotations"]["summary"]) < 140


def test_the_runbook_has_each_alert():
    """docs/operations.md has a row for each alert, with its severity, in the order of the rules, and no other."""
    section = PAGE.read_text(encoding="utf-8").partition("\n### Runbook\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]+ \| [^|]+ \|$", section, re.MULTILINE)
    assert rows == [(alert["alert"], alert["labels"]["severity"]) for alert in alerts(groups())]
