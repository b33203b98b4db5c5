"""A page as its reader meets it: sections with their text, tables with their rows, links, and what it loads."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "input", "hr"}


@dataclass
class Table:
    """A table: its caption, its head, and its rows of texts."""

    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """What an HTML text holds; fails on a tag that is closed wrongly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.tables: dict[str, Table] = {}
        self.sections: dict[str, str] = {}
        self.body_class = ""
        self._open: list[tuple[str, dict]] = []
        self._table = Table()
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Note what the tag opens, names, loads or links to."""
        named = dict(attrs)
        self.ids += [named["id"]] if "id" in named else []
        self.inline += [name for name in named if name == "style" or name.startswith("on")]
        if tag == "body":
            self.body_class = named.get("class", "")
        if tag in {"script", "style"}:
            self.inline.append(tag)
        if tag == "a":
            self.links.append(named["href"])
        if tag in {"img", "script", "iframe"} or tag == "link":
            self.loads.append(named.get("src") or named.get("href"))
        if tag == "table":
            self._table = Table()
        if tag == "tr":
            self._table.rows.append([])
        if tag in {"td", "th"}:
            self._table.rows[-1].append("")
            self._table.scopes += [named["scope"]] if tag == "th" else []
        if tag not in VOID:
            self._open.append((tag, named))

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        opened, _ = self._open.pop()
        assert opened == tag, f"{tag} closes {opened}"
        if tag == "table":
            self._table.rows = [[" ".join(cell.split()) for cell in row] for row in self._table.rows]
            self.tables[" ".join(self._table.caption.split())] = self._table

    def handle_data(self, data: str) -> None:
        """Add a text to the section, the table's caption or the cell in which it stands."""
        tags = [tag for tag, _ in self._open]
        for tag, named in self._open:
            if tag == "section":
                self.sections[named["id"]] = " ".join(f"{self.sections.get(named['id'], '')} {data}".split())
        if "caption" in tags:
            self._table.caption += data
        if "td" in tags or "th" in tags:
            self._table.rows[-1][-1] += data
