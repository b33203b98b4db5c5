"""Rows as files: CSV that no spreadsheet takes for formulas, and NDJSON that has each value as it is."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

from cds_service.spreadsheet import cell

if TYPE_CHECKING:
    from cds_service.store.export import Row, Value

TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}

_MARK = "\ufeff"
"""Excel reads a CSV file as UTF-8 only where it begins with the byte order mark."""

_LINES = 500


def chunks(form: str, names: Sequence[str], rows: "Iterable[Row]") -> Iterator[str]:
    """Yield a file of rows in parts of many lines; the first part comes even where there is no row."""
    lines = _csv(names, rows) if form == "csv" else _ndjson(rows)
    yield "".join(islice(lines, _LINES))
    while part := "".join(islice(lines, _LINES)):
        yield part


def _ndjson(rows: "Iterable[Row]") -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, default=_text) + "\n"


def _csv(names: Sequence[str], rows: "Iterable[Row]") -> Iterator[str]:
    write = csv.writer(_Echo()).writerow
    yield _MARK + str(write(names))
    for row in rows:
        yield str(write([cell(_text(row[name])) for name in names]))


class _Echo:
    """A file that hands what is written to csv's writer back, which returns it."""

    def write(self, text: str) -> Any:
        return text


def _text(value: "Value") -> str:
    """Return a value in words that spreadsheets and programs both read."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return " ".join(value)
        case date():
            return value.isoformat()
        case _:
            return str(value)
