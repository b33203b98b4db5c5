"""The back-test on Apache Spark, on real Java: the summary is that of one machine, byte for byte."""

import gzip
import json
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.backtest.command import condition, order, run

ROOT = Path(__file__).parents[3]
OPTIONS = (
    "--master local[2]",
    "--conf spark.ui.enabled=false",
    "--conf spark.sql.shuffle.partitions=5",  # of 200, nearly all would be empty
    '--driver-java-options "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"',  # it runs too briefly to be optimized
    "pyspark-shell",
)


@pytest.fixture
def spark(tmp_path):
    """Return the environment of a local Spark with two cores; it needs Java, which .ci/run installs."""
    assert shutil.which("java"), "these tests need Java 17 or newer: on Debian, apt-get install default-jre-headless"
    return {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(tmp_path / "spark"),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": " ".join(OPTIONS),
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


def test_a_table_has_the_summary_of_its_export(hospital, tmp_path, spark):
    """A table of resources, of all types in any order, has the counts of the same resources in files."""
    export = tmp_path / "export"
    export.mkdir()
    lines = [line for file in sorted(hospital.glob("*.ndjson")) for line in file.read_text("utf-8").splitlines()]
    (export / "all.ndjson").write_text("\n".join([*lines[::-1], "null", "[]"]), encoding="utf-8")
    table = tmp_path / "lake" / "fhir"
    table.mkdir(parents=True)
    for part, rows in enumerate((lines[::2], [*lines[1::2], None, "[]"])):
        pq.write_table(pa.table({"resource": pa.array(rows, pa.string())}), table / f"{part}.parquet")
    files, *_ = run(export, tmp_path / "local")
    options = ("--engine", "spark", "--table", f"parquet.`{table}`")
    rows, *_ = run(None, tmp_path / "spark-report", *options, env=spark, apart=True)
    assert files["cards"]["total"]
    assert sum(row["lines"] for row in files["errors"]) == sum(row["lines"] for row in rows["errors"])
    assert {row["kind"] for row in rows["errors"]} == {row["kind"] for row in files["errors"]}
    assert {**rows, "errors": []} == {**files, "errors": []}


@pytest.mark.parametrize(("name", "column"), [("no_such_table", "resource"), ("parquet.`{}`", "no_such_column")])
def test_a_table_that_cannot_be_read(tmp_path, spark, name, column):
    """A wrong table or column ends with a sentence that names both and says what to give."""
    pq.write_table(pa.table({"resource": ["{}"]}), tmp_path / "one.parquet")
    options = ("--engine", "spark", "--table", name.format(tmp_path / "one.parquet"), "--column", column)
    *_, errors = run(None, tmp_path / "out", *options, env=spark, code=1, apart=True)
    assert "Spark cannot read it" in errors
    assert column in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "What is to be replayed?"),
        (("--table", "fhir"), "add --engine spark"),
        (("EXPORT", "--table", "fhir", "--engine", "spark"), "EXPORT and --table exclude each other"),
    ],
)
def test_an_export_or_a_table(tmp_path, options, message):
    """The command takes one of an export and a table, and says so."""
    arguments = [str(tmp_path) if option == "EXPORT" else option for option in options]
    *_, errors = run(None, tmp_path / "out", *arguments, code=2)
    assert message in errors


def test_no_java(hospital, tmp_path, spark):
    """Without Java the command ends with a sentence that says what is missing."""
    *_, errors = run(
        hospital, tmp_path / "out", "--engine", "spark", env=spark | {"JAVA_HOME": str(tmp_path)}, code=1, apart=True
    )
    assert "Spark did not start. It needs Java 17 or newer" in errors
    assert "Traceback" not in errors
