"""Markdown -> HTML, from this one place: CommonMark with tables; HTML in it is shown as text, and images not at all."""

from markdown_it import MarkdownIt

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def html(markdown: str) -> str:
    """Return Markdown as HTML that cannot hold more than the Markdown said."""
    return str(_MARKDOWN.render(markdown))
