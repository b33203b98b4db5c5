"""A real Prometheus with the shipped rules that scrapes a service, and what an expression asks of its metrics."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from tests.support.serving import free_port

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = DEPLOY / "prometheus-rules.yaml"
DASHBOARD = DEPLOY / "grafana-dashboard.json"
JOB = "plexus-cds"
"""The scrape job, as docs/operations.md and the rules name it."""
PATIENCE = 60.0
"""Seconds, for what a busy machine does late."""

_SELECTOR = re.compile(r"(?<![\w:$])(plexus_cds_\w+)(?![\w:])(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_OF_THE_SCRAPE = ("job", "instance")


class Selector(NamedTuple):
    """A metric of ours in an expression, with the values that it names of each label."""

    metric: str
    values: Mapping[str, list[str]]


def selectors(expression: str) -> list[Selector]:
    """Return the metrics of ours in an expression; labels that the scrape adds are left out."""
    return [
        Selector(
            match[1],
            {
                label: values.split("|")
                for label, _, values in _MATCHER.findall(match[2] or "")
                if label not in _OF_THE_SCRAPE
            },
        )
        for match in _SELECTOR.finditer(expression)
    ]


def unknown(expression: str, series: Mapping[str, list[Mapping[str, str]]]) -> list[str]:
    """Return what an expression names that a scrape does not have: metrics, labels, and values of labels."""
    found = []
    for metric, wanted in selectors(expression):
        if metric not in series:
            found.append(metric)
            continue
        for label, values in wanted.items():
            known = {labels.get(label) for labels in series[metric]}
            found += [f"{metric}{{{label}={value}}}" for value in values if value not in known]
    return found


def program(name: str) -> str:
    """Return where a program of Prometheus is."""
    path = shutil.which(name)
    assert path, f"this test needs {name}; Debian's package is prometheus"
    return path


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.1)


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    base: str

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the data of an answer, which must be a success."""
        answer = requests.get(f"{self.base}/api/v1/{path}", params=parameters, timeout=30)
        assert answer.status_code == requests.codes.ok, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an expression at this moment."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result

    def value(self, expression: str) -> float | None:
        """Return the value of an expression that has one, or None where it has none."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def series(self) -> dict[str, list[Mapping[str, str]]]:
        """Return the labels of each series of ours that was scraped, by metric."""
        found: dict[str, list[Mapping[str, str]]] = {}
        for labels in self.get("series", **{"match[]": '{__name__=~"plexus_cds_.*"}'}):
            found.setdefault(labels["__name__"], []).append(labels)
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules, with their health and their alerts."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def alerts(self) -> set[str]:
        """Return the alerts that are pending or firing."""
        return {rule["name"] for rule in self.rules() if rule["type"] == "alerting" and rule["alerts"]}


@contextmanager
def prometheus(folder: Path, *targets: str) -> Iterator[Prometheus]:
    """Start Prometheus on a free port, scraping the targets each second, and stop it again whatever happens."""
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder}/prometheus.yaml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=log,
        )
    try:
        server = Prometheus(f"http://127.0.0.1:{port}")
        until(lambda: _answers(server, process, folder / "log.txt"))
        yield server
    finally:
        process.terminate()
        process.wait()


def _answers(server: Prometheus, process: subprocess.Popen, log: Path) -> bool:
    if process.poll() is not None:
        pytest.fail(f"Prometheus did not start: {log.read_text()}")
    try:
        return requests.get(f"{server.base}/-/ready", timeout=5).ok
    except requests.ConnectionError:
        return False
