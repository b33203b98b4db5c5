"""What a client could make of a text of a card: its elements, links and images, and characters not seen."""

import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser

from markdown_it import MarkdownIt

ELEMENTS = frozenset(["p", "ul", "li", "strong", "em", "table", "thead", "tbody", "tr", "th", "td"])
"""What Markdown of ours may become; attributes have none but the alignment of a cell."""


def _renderer(preset: str) -> MarkdownIt:
    """Return a renderer that refuses nothing: not HTML, not a link to a script, not a host under a name of tests."""
    found = MarkdownIt(preset, {"html": True})
    found.validateLink = lambda _: True
    if found.linkify:
        found.linkify.tlds(["example"], keep_old=True)
    return found


RENDERERS = {
    "CommonMark": _renderer("commonmark").render,
    "GFM": _renderer("gfm-like").render,
    "raw HTML": lambda text: text,
}
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")


class _Faults(HTMLParser):
    """Notes all in an HTML text that is not of the allow-list."""

    def __init__(self, allowed: frozenset[str]) -> None:
        super().__init__()
        self.allowed, self.faults = allowed, []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Note an element or an attribute that is not ours."""
        self.faults += [] if tag in self.allowed else [f"element {tag}"]
        self.faults += [f"attribute {name} of {tag}" for name, _ in attrs]

    def handle_comment(self, data: str) -> None:
        """Note a comment."""
        self.faults.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        """Note a declaration."""
        self.faults.append(f"declaration {decl}")

    def handle_pi(self, data: str) -> None:
        """Note a processing instruction."""
        self.faults.append(f"instruction {data}")

    def unknown_decl(self, data: str) -> None:
        """Note what is no declaration of HTML."""
        self.faults.append(f"declaration {data}")


def faults(text: str, allowed: frozenset[str] = ELEMENTS) -> list[str]:
    """Return what a client could make of a text beyond plain Markdown of ours."""
    found = [
        f"unseen character {ord(letter):x}"
        for letter in text
        if letter != "\n" and unicodedata.category(letter) in _UNSEEN
    ]
    for name, render in RENDERERS.items():
        parser = _Faults(allowed if name != "raw HTML" else frozenset())
        parser.feed(render(text))
        # what is left at the end is an element that nobody closed, which a browser goes on reading
        rest = parser.rawdata
        parser.close()
        found += [f"{name}: {fault}" for fault in parser.faults + (["unclosed element"] if "<" in rest else [])]
    return found


def texts(card: dict) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each text that a client shows of a card, with the elements it may become; `detail` alone is Markdown."""
    line = frozenset({"p"})
    yield card["detail"], ELEMENTS
    yield card["summary"], line
    yield card["source"]["label"], line
    yield from ((link["label"], line) for link in card["links"])
    yield from ((reason["display"], line) for reason in card["overrideReasons"])
    for suggestion in card["suggestions"]:
        yield suggestion["label"], line
        yield from ((action["description"], line) for action in suggestion["actions"])


def card_faults(card: dict) -> list[str]:
    """Return what a client could make of any text of a card beyond what is ours."""
    return [f"{fault} in {text!r:.200}" for text, allowed in texts(card) for fault in faults(text, allowed)]


def addresses(card: dict) -> set[str]:
    """Return all addresses to which a card leads."""
    return {card["source"]["url"], *(link["url"] for link in card["links"])}
