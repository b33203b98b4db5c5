"""The code systems that we know, under every public spelling of their names."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

_LONGEST = 200
"""Characters of a system's name: none is longer, and a name comes from outside."""

_REMEMBERED = 4096
_SCHEME = re.compile(r"^(https?://|urn:oid:)")


def form(name: str) -> str:
    """Return what all spellings of a name share: no version after a bar, blanks, scheme, letter case or last slash."""
    return _SCHEME.sub("", "".join(name.partition("|")[0].split()).casefold()).rstrip("/")


class Systems(Mapping[str, str]):
    """The name in systems.csv for each spelling of a system; a spelling that ends in `*` stands for what begins so."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._names: dict[str, str] = {}
        self._starts: list[tuple[str, str]] = []
        for row in rows:
            self._names[row["canonical"]] = row["canonical"]
            for other in filter(None, row["also_seen_as"].split(";")):
                if other.endswith("*"):
                    self._starts.append((form(other[:-1]) + "/", row["canonical"]))
                else:
                    self._names[other] = row["canonical"]
        self._forms = {form(other): name for other, name in self._names.items()}
        self._spelled = lru_cache(_REMEMBERED)(self._by_form)

    def __getitem__(self, name: str) -> str:
        """Return the name that systems.csv has for a system."""
        found = self._names.get(name) or self._spelled(name[:_LONGEST])
        if found is None:
            raise KeyError(name)
        return found

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return the name that systems.csv has for a system, or the default."""
        return self._names.get(name) or self._spelled(name[:_LONGEST]) or default

    def __contains__(self, name: object) -> bool:
        """Tell whether a system is one that we know."""
        return isinstance(name, str) and (name in self._names or self._spelled(name[:_LONGEST]) is not None)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the spellings that are listed."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many spellings are listed."""
        return len(self._names)

    def _by_form(self, name: str) -> str | None:
        spelled = form(name)
        for start, system in self._starts:
            if spelled.startswith(start):
                return system
        return self._forms.get(spelled)


def clashes(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield a sentence for each spelling that two rows have."""
    seen: dict[str, str] = {}
    for row in rows:
        for name in filter(None, (row["canonical"], *row["also_seen_as"].split(";"))):
            if seen.setdefault(form(name), row["canonical"]) != row["canonical"]:
                yield f"{name} is a spelling of {seen[form(name)]} and of {row['canonical']}"
