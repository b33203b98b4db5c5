"""The sheet as Markdown, by its template, and the same as one HTML file that needs no network and no script."""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from shlex import quote
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.renderer import RendererProtocol
    from markdown_it.token import Token

_SPECIAL = re.compile(r"([\\`*\[\]<>|~&#]|(?<!\w)_|_(?!\w))")
"""What has a meaning in Markdown, within a line; a low line has none within a word."""


def as_markdown(values: dict[str, Any]) -> str:
    """Return the sheet as Markdown (GitHub's, for its tables)."""
    environment = Environment(  # noqa: S701 - this is Markdown: the filters escape, and the HTML is made without raw HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"text": _text, "code": _code, "shell": quote}
    return environment.from_string(_file("sheet.md.jinja")).render(values)


def as_html(values: dict[str, Any]) -> str:
    """Return the Markdown sheet as a page with its styles in it."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - slow to load, and Markdown does without

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.add_render_rule("fence", _fence)
    content = parser.renderer.render(_labeled(parser.parse(as_markdown(values))), parser.options, {})
    style = files("cds_service.web").joinpath("static", "plexus.css").read_text(encoding="utf-8") + _file("sheet.css")
    icon = files("cds_service.web").joinpath("static", "icon.svg").read_bytes()
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_file("sheet.html.jinja"))
    return page.render(
        title=f"Integration sheet{': ' if values['name'] else ''}{values['name']}",
        style=style,
        style_hash=b64encode(sha256(style.encode()).digest()).decode(),
        icon=b64encode(icon).decode(),
        content=content,
        version=values["versions"]["knowledge"],
    )


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _text(value: object) -> str:
    """Return a text for a line of Markdown, on one line and without markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def _code(value: object) -> str:
    """Return a text as code for a cell of a table or a line outside of one, whatever backticks and bars it has."""
    text = " ".join(str(value).split()).replace("|", "\\|")
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, blank = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def _labeled(tokens: "Sequence[Token]") -> "list[Token]":
    """Return the tokens with what can scroll in a named region: each is named by the heading before it."""
    from markdown_it.token import Token  # noqa: PLC0415 - likewise

    labeled, heading = [], ""
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and after:
            heading = "".join(part.content for part in after.children or ())
        token.meta["heading"] = heading
        if token.type == "th_open":
            token.attrSet("scope", "col")
        if token.type == "table_open":
            region = Token("html_block", "", 0)
            region.content = f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(heading)}: table">\n'
            labeled.append(region)
        labeled.append(token)
        if token.type == "table_close":
            end = Token("html_block", "", 0)
            end.content = "</div>\n"
            labeled.append(end)
    return labeled


def _fence(_renderer: "RendererProtocol", tokens: "Sequence[Token]", index: int, *_: Any) -> str:
    """Return a block of code as a region that can be scrolled by keyboard; a picture keeps its lines."""
    token = tokens[index]
    kind = "picture" if token.info == "text" else "code"
    label = escape(f"{token.meta['heading']}: {kind}")
    return f'<pre class="{kind}" tabindex="0" role="group" aria-label="{label}">{escape(token.content)}</pre>\n'
