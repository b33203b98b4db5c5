"""The back-test on Apache Spark, on real Java: the summary is that of one machine, byte for byte."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.backtest.command import condition, order, run, write

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


def snippet() -> str:
    """Return the Python of docs/backtest.md for a table of resources."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "backtest.md").read_text("utf-8"), re.DOTALL)
    assert "parts=2000" in code
    return code.replace("parts=2000", "parts=4")  # each part is a task, and this table is small


def test_table_of_resources(tmp_path, spark):
    """The example of the documentation replays a table of resources, with the counts of the command on a folder."""
    resources = [order(number, f"p{number}") for number in range(40)] + [condition(1, f"p{n}") for n in range(25)]
    export = write(tmp_path / "export", ServiceRequest=resources[:40], Condition=resources[40:])
    rows = [(resource["resourceType"], json.dumps(resource)) for resource in resources]
    prepared = (
        "import json, sys; from pyspark.sql import SparkSession; spark = SparkSession.builder.getOrCreate()\n"
        "spark.sql('create database fhir'); rows = json.load(open(sys.argv[1]))\n"
        "table = spark.createDataFrame(rows, 'resource_type string, resource_json string')\n"
        "table.write.saveAsTable('fhir.resources')\n"
    )
    (tmp_path / "rows.json").write_text(json.dumps(rows), "utf-8")
    code = f"{prepared}{snippet()}\nprint(json.dumps(summary))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "rows.json")],
        env=os.environ | spark | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary, expected = json.loads(done.stdout.splitlines()[-1]), run(export, tmp_path / "out")[0]
    for name in ("orders", "monitored", "cards", "silences", "with_history"):
        assert summary[name] == expected[name]
    assert summary["cards"]["total"] == 25
