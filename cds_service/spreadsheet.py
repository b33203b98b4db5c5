"""Text for the cell of a CSV file that a spreadsheet will not take for a formula."""

import re

_FORMULA = re.compile('(^(?=\\s*[\t\r\n])|(?:^|[;|\t\r\n])(?=[\\s"]*[=+\\-@\uff1d\uff0b\uff0d\uff20]))')
"""Where a spreadsheet may take what follows for a formula, in either width, after blanks too (OWASP, CSV Injection).

A German Excel parts cells at semicolons, and there a quote within a cell does not hold it together: each part counts.
"""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Signs that nobody sees and that may hide such a beginning; tabs and line breaks are text."""


def cell(text: str) -> str:
    """Return a text with an apostrophe before each beginning of a formula, and without control characters."""
    return _FORMULA.sub(r"\1'", _CONTROL.sub("", text))
