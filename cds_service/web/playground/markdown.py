"""Markdown -> HTML, from this one place: CommonMark with tables; HTML in it is shown as text, and images not at all."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


def html(markdown: str) -> str:
    """Return Markdown as HTML that cannot hold more than the Markdown said."""
    return str(_markdown().render(markdown))


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - slow, and no answer to a call needs it

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
