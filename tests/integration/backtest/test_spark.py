"""The back-test on Apache Spark, on real Java: the summary is that of one machine, byte for byte."""

import gzip
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.backtest.command import condition, order, run

ROOT = Path(__file__).parents[3]


@pytest.fixture
def spark(tmp_path):
    """Return the environment of a local Spark with two cores; it needs Java, which .ci/run installs."""
    assert shutil.which("java"), "these tests need Java 17 or newer: on Debian, apt-get install default-jre-headless"
    return {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(tmp_path / "spark"),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false pyspark-shell",
    }


def test_both_engines_have_one_summary(hospital, tmp_path, spark):
    """A hospital with faults of every kind has the same report by both engines, and nothing is left of either."""
    export = tmp_path / "an [export] {1}"
    shutil.copytree(hospital, export)
    contained = [{"resourceType": "ServiceRequest", "id": "x", "subject": {"reference": "Patient/z"}}]
    rows = [{"contained": contained} | condition(1, "s1"), order(1, "s1"), {"resourceType": "Patient", "id": "s1"}]
    texts = [json.dumps(row).encode() for row in rows]
    (export / "all.ndjson").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([*texts, b"", b"null", b"{"]))
    (export / "Condition.9.ndjson.gz").write_bytes(gzip.compress(b"\n".join([b"[]", texts[0], b"\xff", texts[1]])))
    (export / "ServiceRequest.9.ndjson").write_bytes(b"\n" + json.dumps(order(2, when=None)).encode() + b"\n5")
    summary, *_ = run(export, tmp_path / "local", "--who")
    assert {row["kind"] for row in summary["errors"]} >= {
        "null",
        "a_list",
        "another_type",
        "not_json",
        "no_authored_on",
    }
    run(export, tmp_path / "spark-report", "--who", "--engine", "spark", env=spark, apart=True)
    for file in (tmp_path / "local").iterdir():
        assert (tmp_path / "spark-report" / file.name).read_bytes() == file.read_bytes(), file.name
    assert [file for file in (tmp_path / "spark").rglob("*") if file.is_file()] == []


def test_no_java(hospital, tmp_path, spark):
    """Without Java the command ends with a sentence that says what is missing."""
    *_, errors = run(
        hospital, tmp_path / "out", "--engine", "spark", env=spark | {"JAVA_HOME": str(tmp_path)}, code=1, apart=True
    )
    assert "Spark did not start. It needs Java 17 or newer" in errors
    assert "Traceback" not in errors
