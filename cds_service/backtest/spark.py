"""The back-test on an Apache Spark cluster: the same scan and replay, in `mapInArrow`, and the same sums.

The driver and the workers need this package, and the export under the same path. Install the extra `spark`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from cds_service.backtest.export_files import BOM, MOST_LINE_BYTES, ExportFile
from cds_service.backtest.replay import Replay
from cds_service.backtest.scan import ORDER, OrderScan, PatientFilter, Plan, Record, RecordScan, hash_of
from cds_service.backtest.tally import Tally
from cds_service.backtest.work_folder import WorkFolder, number_of_parts
from cds_service.errors import PlexusError

_SCHEMA = "kind string, part int, patient string, chunk string, line long, content binary"
_COLUMNS = ("kind", "part", "patient", "chunk", "line", "content")
_BATCH = 2000
_HASH_BYTES = 4
_SHUFFLE_PARTITIONS = "spark.sql.shuffle.partitions"
"""The number of hash parts of a table, whose size is not known: the setting by which a cluster is tuned."""

_NOT_PLAIN, _ESCAPED = re.compile(r"[\\{}\[\]*?]"), r"\\\g<0>"
"""What Spark takes as a pattern in the name of a file, and how it is escaped."""

Batches = Iterator[Any]
"""Of pyarrow.RecordBatch."""


class SparkFailed(PlexusError):
    """PySpark is not installed, finds no Java, or its job failed."""


class Table(NamedTuple):
    """A table or view of the Spark session that has resources of any type, and its column of FHIR JSON."""

    name: str
    column: str
    """Or an expression of Spark SQL, such as `to_json(struct(*))` where the members are columns."""


class _Line(NamedTuple):
    file: str
    start: int
    file_type: str
    content: bytes


def on_spark(table: Table | None = None) -> Callable[[Plan, Sequence[ExportFile], WorkFolder], Tally]:
    """Return the engine that runs on the cluster of the environment, as spark-submit sets it; else on this machine.

    It replays the files that it is given, or a table.
    """

    def run(plan: Plan, files: Sequence[ExportFile], _folder: WorkFolder) -> Tally:
        try:
            from py4j.protocol import Py4JError  # noqa: PLC0415 - an optional extra
            from pyspark.errors import PySparkException  # noqa: PLC0415 - an optional extra
            from pyspark.sql import SparkSession  # noqa: PLC0415 - likewise
        except ImportError:
            message = "PySpark is not installed. Install it by: pip install 'plexus-cds[spark]'"
            raise SparkFailed(message) from None
        try:
            session = SparkSession.builder.appName("plexus-cds back-test").getOrCreate()
        except PySparkException:
            message = "Spark did not start. It needs Java 17 or newer: set JAVA_HOME, or install a headless JRE."
            raise SparkFailed(message) from None
        if table:
            try:
                rows = rows_of(session, table)
            except PySparkException as error:
                message = (
                    f"--table {table.name}, --column {table.column}: Spark cannot read it ({error.getCondition()}). "
                    "Give a table of the session, or parquet.`/path`, and its column of FHIR JSON or SQL for it."
                )
                raise SparkFailed(message) from None
        try:
            if table:
                return sums_of(session, rows, rows, plan, int(session.conf.get(_SHUFFLE_PARTITIONS)))
            orders = lines_of(session, [file for file in files if file.resource_type in ("", ORDER)])
            entries = lines_of(session, [file for file in files if file.resource_type != ORDER])
            return sums_of(session, orders, entries, plan, number_of_parts(files), _names(files))
        except (PySparkException, Py4JError):
            message = "The Spark job failed. Its log says why; a compressed file that is cut off is read by no Spark."
            raise SparkFailed(message) from None

    return run


def _names(files: Sequence[ExportFile]) -> dict[str, tuple[str, str]]:
    return {str(file.path.resolve()): (file.name, file.resource_type) for file in files}


def lines_of(session: Any, files: Sequence[ExportFile]) -> Any:
    """Return a DataFrame of the lines of files: file, start of the split, and content, in order within each split."""
    paths = [f"file://{_NOT_PLAIN.sub(_ESCAPED, str(file.path.resolve()))}" for file in files]
    return (
        session.read.option("lineSep", "\n")
        .text(paths)
        .selectExpr("_metadata.file_path file", "_metadata.file_block_start start", "cast(value as binary) content")
    )


def rows_of(session: Any, table: Table) -> Any:
    """Return a DataFrame of the rows of a table, as `lines_of` does: its partitions are the splits of one file."""
    name = quote(table.name)
    return session.sql(f"SELECT * FROM {table.name}").selectExpr(  # noqa: S608 - the analyst's own table
        f"'{name}' file",
        "cast(spark_partition_id() as bigint) start",
        f"cast(coalesce({table.column}, 'null') as binary) content",
    )


def sums_of(
    session: Any,
    order_lines: Any,
    entry_lines: Any,
    plan: Plan,
    parts: int,
    names: Mapping[str, tuple[str, str]] | None = None,
) -> Tally:
    """Return the sums of a back-test of two DataFrames, which may be the same, such as a table of resources.

    Each has the columns `file`, `start` and `content`. `names` has a name and a resource type for each path in `file`;
    without it, any line may have any type.
    """
    session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", _BATCH)
    orders = order_lines.mapInArrow(_orders(plan, parts, names), _SCHEMA).persist()
    patients = PatientFilter()
    for row in orders.filter("kind = 'hashes'").collect():
        for place in range(0, len(row.content), _HASH_BYTES):
            patients.add(int.from_bytes(row.content[place : place + _HASH_BYTES]))
    shared = session.sparkContext.broadcast(bytes(patients.bits))
    entries = entry_lines.mapInArrow(_entries(plan, parts, names, shared), _SCHEMA)
    rows = orders.filter("kind != 'hashes'").union(entries)
    counted = rows.repartition(parts, "part").sortWithinPartitions("part").mapInArrow(_replay(plan), _SCHEMA).collect()
    orders.unpersist()
    shared.unpersist()
    tally = plan.tally()
    for row in counted:
        tally.merge_json(bytes(row.content))
    return tally


Function = Callable[[Batches], Batches]


def _orders(plan: Plan, parts: int, names: Mapping[str, tuple[str, str]] | None) -> Function:
    def scan(batches: Batches) -> Batches:
        return _batched(rows(batches))

    def rows(batches: Batches) -> Iterator[tuple[Any, ...]]:
        hashes = set()
        for line, chunk, numbered in _chunks(batches, names):
            orders = OrderScan(plan, line.file_type)
            for record in orders.records(chunk, numbered):
                hashes.add(hash_of(record.patient))
                yield _row_of(record, parts)
            yield _row_of_tally(orders.tally, parts, chunk)
        yield ("hashes", 0, "", "", 0, b"".join(value.to_bytes(_HASH_BYTES) for value in hashes))

    return scan


def _entries(plan: Plan, parts: int, names: Mapping[str, tuple[str, str]] | None, shared: Any) -> Function:
    def scan(batches: Batches) -> Batches:
        return _batched(rows(batches))

    def rows(batches: Batches) -> Iterator[tuple[Any, ...]]:
        patients = PatientFilter(shared.value)
        for line, chunk, numbered in _chunks(batches, names):
            entries = RecordScan(plan, line.file_type, patients)
            for record in entries.records(chunk, numbered):
                yield _row_of(record, parts)
            yield _row_of_tally(entries.tally, parts, chunk)

    return scan


def _replay(plan: Plan) -> Function:
    def replay(batches: Batches) -> Batches:
        tally = plan.tally()
        rows = (
            row for batch in batches for row in zip(*(batch.column(name).to_pylist() for name in _COLUMNS), strict=True)
        )
        for _, part in groupby(rows, key=lambda row: row[1]):
            part_replay = Replay(plan)
            part_replay.part(_records(part, tally))
            tally.merge(part_replay.tally)
        return _batched(iter([("tally", 0, "", "", 0, tally.to_json())]))

    return replay


def _records(rows: Iterable[tuple[Any, ...]], tally: Tally) -> Iterator[Record]:
    """Yield the records among rows, and add the tallies among them."""
    for kind, _, patient, chunk, line, content in rows:
        if kind == "tally":
            tally.merge_json(content)
        else:
            yield Record(patient, chunk, line, content, is_order=kind == "order")


def _row_of(record: Record, parts: int) -> tuple[Any, ...]:
    kind = "order" if record.is_order else "entry"
    return (kind, hash_of(record.patient) % parts, record.patient, record.chunk, record.line, record.content)


def _row_of_tally(tally: Tally, parts: int, chunk: str) -> tuple[Any, ...]:
    return ("tally", hash_of(chunk) % parts, "", chunk, 0, tally.to_json())


def _chunks(
    batches: Batches, names: Mapping[str, tuple[str, str]] | None
) -> Iterator[tuple[_Line, str, Iterator[tuple[int, bytes | None]]]]:
    """Yield each split of a file among the rows of a partition: a line of it, its key, and its numbered lines."""
    for _, group in groupby(_lines(batches, names), key=lambda line: (line.file, line.start)):
        first = next(group)
        yield first, f"{first.file}\t{first.start}", _numbered(first, group)  # noqa: B031 - it is read before the next


def _lines(batches: Batches, names: Mapping[str, tuple[str, str]] | None) -> Iterator[_Line]:
    names_by_path: dict[str, tuple[str, str]] = {}
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("file", "start", "content"))
        for path, start, content in zip(*columns, strict=True):
            if path not in names_by_path:
                names_by_path[path] = names[unquote(urlsplit(path).path)] if names else (path, "")
            yield _Line(names_by_path[path][0], start, names_by_path[path][1], content)


def _numbered(first: _Line, others: Iterator[_Line]) -> Iterator[tuple[int, bytes | None]]:
    yield 1, _usable(first.content.removeprefix(BOM) if not first.start else first.content)
    for number, line in enumerate(others, 2):
        yield number, _usable(line.content)


def _usable(content: bytes) -> bytes | None:
    return None if len(content) >= MOST_LINE_BYTES else content.rstrip(b"\r")


def _batched(rows: Iterator[tuple[Any, ...]]) -> Batches:
    """Yield rows as record batches of the schema."""
    import pyarrow as pa  # noqa: PLC0415 - an optional extra

    types = (pa.string(), pa.int32(), pa.string(), pa.string(), pa.int64(), pa.binary())
    schema = pa.schema(list(zip(_COLUMNS, types, strict=True)))
    held: list[tuple[Any, ...]] = []
    for row in rows:
        held.append(row)
        if len(held) >= _BATCH:
            yield _batch(pa, schema, held)
            held = []
    if held:
        yield _batch(pa, schema, held)


def _batch(pa: Any, schema: Any, rows: list[tuple[Any, ...]]) -> Any:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
