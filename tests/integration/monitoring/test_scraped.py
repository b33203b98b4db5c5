"""A real Prometheus scrapes the real server: rules and panels ask for what is there, and faults raise alerts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.integration.monitoring.prometheus import DASHBOARD, Prometheus, prometheus, unknown, until
from tests.integration.monitoring.test_rules import groups
from tests.support.service import ORDER_SELECT
from tests.support.serving import Server, example, granian

ROOT = Path(__file__).parents[3]
FEEDBACK = f"{ORDER_SELECT}/feedback"
VARIABLES = {
    "$__rate_interval": "1m",
    "$job": "plexus-cds",
    "$instance": ".*",
}
"""What Grafana puts in."""

SLOW = {"PlexusCdsSlow", "PlexusCdsSlowDecisions"}
"""What a busy machine may raise."""


class Watched(NamedTuple):
    """The server, its site file, and Prometheus, which scraped it before and after it was called."""

    server: Server
    site_file: Path
    prometheus: Prometheus


@pytest.fixture(scope="module", name="watched")
def a_watched_service(tmp_path_factory) -> Iterator[Watched]:
    """Give a server of two workers that had calls of each kind, and the Prometheus that scrapes it."""
    folder = tmp_path_factory.mktemp("watched")
    site_file = folder / "site.toml"
    site_file.write_text("", encoding="utf-8")
    settings = {"site_file": str(site_file), "store_url": f"sqlite:///{folder}/store.sqlite3"}
    with (
        granian("--workers", "2", **settings) as server,
        prometheus(folder, f"127.0.0.1:{server.port}") as found,
    ):
        until(lambda: found.value("plexus_cds_ready") == 1)
        call_in_each_way(server)
        until(lambda: (found.value("sum(increase(plexus_cds_feedback_total[1m]))") or 0) > 1)
        until(lambda: all(rule["health"] == "ok" for rule in found.rules()))
        yield Watched(server, site_file, found)


def call_in_each_way(server: Server) -> None:
    """Call for a card and for silence, and report that cards were accepted and overridden."""
    for name in ("article", "no-cancer"):
        for _ in range(3):
            server.client.post(example(name))
    for outcome in ("accepted", "overridden"):
        report = {"card": str(uuid4()), "outcome": outcome, "outcomeTimestamp": "2026-11-22T08:30:00Z"}
        assert server.client.post({"feedback": [report]}, FEEDBACK).status_code == 200


def dashboard() -> dict:
    """Return the dashboard."""
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def queries() -> dict[str, str]:
    """Return each query of the dashboard by its panel and number, as Grafana sends it."""
    found = {}
    for panel in dashboard()["panels"]:
        for number, target in enumerate(panel.get("targets", ())):
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            found[f"{panel['title']} {number}"] = text
    return found


def objectives() -> dict[str, str]:
    """Return the expressions of the page on service levels, with the bars as they are outside of its tables."""
    text = (ROOT / "docs" / "service-levels.md").read_text(encoding="utf-8").replace("\\|", "|")
    found = [expression for expression in re.findall(r"`([^`]+)`", text) if "plexus_cds_" in expression]
    assert len(found) == 5
    return {f"objective {number}": expression for number, expression in enumerate(found, 1)}


RULES = {rule.get("alert") or rule["record"]: rule["expr"] for group in groups() for rule in group["rules"]}
QUERIES = queries() | objectives()
EXPRESSIONS = RULES | QUERIES


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_each_name_is_there(expression, watched):
    """Each metric, label and value of a label that a rule or a panel names is in a scrape of the service."""
    assert unknown(expression, watched.prometheus.series()) == []


@pytest.mark.parametrize("expression", QUERIES.values(), ids=QUERIES)
def test_each_query_is_valid(expression, watched):
    """Prometheus evaluates each query of the dashboard, and each objective of docs/service-levels.md."""
    assert "$" not in expression
    watched.prometheus.query(expression)


def test_each_rule_is_evaluated(watched):
    """Prometheus evaluates each rule without an error, and a service that is well raises no alert."""
    rules = watched.prometheus.rules()
    assert {rule["name"] for rule in rules} == RULES.keys()
    assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []
    until(lambda: watched.prometheus.alerts() <= SLOW)


@pytest.mark.parametrize("record", [name for name in RULES if ":" in name])
def test_each_recorded_value_is_there(record, watched):
    """Each recording rule gives a number once there were calls."""
    until(lambda: watched.prometheus.value(f"{record} >= 0") is not None)


PANELS = [name for name, query in queries().items() if "offset" not in query and "ALERTS" not in query]
"""There was no week before, and no alert fires."""


@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_shows_something(panel, watched):
    """Each panel has a value once there were calls: none is empty for a wrong label."""
    until(lambda: watched.prometheus.query(queries()[panel]))


def test_faults_raise_alerts(watched):
    """A site file that is not valid, refused feedback and refused calls raise their alerts, and no others."""
    server, site_file, found = watched
    site_file.write_text("of = true", encoding="utf-8")
    for _ in range(10):
        assert server.client.post({"feedback": 5}, FEEDBACK).status_code == 422
        assert server.client.post({}).status_code == 422
    expected = {"PlexusCdsFileInvalid", "PlexusCdsFeedbackRefused", "PlexusCdsErrors"}
    until(lambda: found.alerts() - SLOW == expected)
    site_file.write_text("", encoding="utf-8")


def test_a_name_that_is_not_there_is_seen(watched):
    """The check of names sees a metric, a label and a value that are misspelled."""
    series = watched.prometheus.series()
    planted = (
        'rate(plexus_cds_cals_total[5m]) + plexus_cds_calls_total{outcom="card"}'
        ' / plexus_cds_calls_total{outcome=~"card|shadwo"}'
    )
    assert unknown(planted, series) == [
        "plexus_cds_cals_total",
        "plexus_cds_calls_total{outcom=card}",
        "plexus_cds_calls_total{outcome=shadwo}",
    ]


QUESTIONS = ["Is it up?", "Is it fast?", "Does it show cards?", "Are they accepted?", "What fails?"]


def test_the_dashboard_is_one_that_grafana_shows():
    """Rows are the questions of a reader; panels have ids of their own, do not overlap, and use the variables."""
    shown = dashboard()
    panels = shown["panels"]
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == QUESTIONS
    assert {panel["type"] for panel in panels} == {"row", "stat", "table", "timeseries"}
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [place for panel in panels for place in covered(panel["gridPos"])]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24
    variables = {variable["name"]: variable["type"] for variable in shown["templating"]["list"]}
    assert variables == {"datasource": "datasource", "job": "query", "instance": "query"}
    for panel in panels:
        for target in panel.get("targets", ()):
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert '=~"$job"' in target["expr"]


def covered(place: dict) -> list[tuple[int, int]]:
    """Return the cells of the grid that a panel covers."""
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]
