"""Rows as files: CSV that no spreadsheet takes for formulas, and NDJSON that has each value as it is."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cds_service.store.export import Row, Value

TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}

_FORMULA = re.compile('(^(?=\\s*[\t\r\n])|(?:^|[;|\t\r\n])(?=[\\s"]*[=+\\-@\uff1d\uff0b\uff0d\uff20]))')
"""Where a spreadsheet may take what follows for a formula, in either width, after blanks too (OWASP, CSV Injection).

A German Excel parts cells at semicolons, and there a quote within a cell does not hold it together: each part counts.
"""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Signs that nobody sees and that may hide such a beginning; tabs and line breaks are text."""

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
        yield str(write([_cell(row[name]) for name in names]))


class _Echo:
    """A file that hands what is written to csv's writer back, which returns it."""

    def write(self, text: str) -> Any:
        return text


def _cell(value: "Value") -> str:
    return _FORMULA.sub(r"\1'", _CONTROL.sub("", _text(value)))


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
