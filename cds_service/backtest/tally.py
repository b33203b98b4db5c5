"""The sums of a back-test: counters that can be added in any order, so that parts may run anywhere."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from cds_service.strict_json import strict_json, to_json

Key = tuple[str, ...]
"""What is counted, from the general to the particular, as ("result", "no_history")."""


class Tally:
    """Counts by key; the first line of each error; the patients behind a name, up to a limit; a sample of orders."""

    def __init__(self, most_patients: int = 0, sample_size: int = 0) -> None:
        self.counts: Counter[Key] = Counter()
        self.first_lines: dict[Key, int] = {}
        """By (file, start of the chunk, kind), within the chunk."""
        self.patients: defaultdict[Key, set[int]] = defaultdict(set)
        """Hashes of the patients behind a name: `most_patients` at most, as more need not be known."""
        self.most_patients = most_patients
        self.sample_size = sample_size
        self.samples: defaultdict[str, list[tuple[int, list[str]]]] = defaultdict(list)
        """Patient data: of each result the orders with the smallest hashes, which is the same in any order."""

    def add(self, *key: str) -> None:
        """Count one."""
        self.counts[key] += 1

    def add_error(self, chunk: str, line: int, kind: str) -> None:
        """Count a line that cannot be used; `line` is from 1 within its chunk."""
        key = (*chunk.split("\t"), kind)
        self.counts["error", *key] += 1
        self.first_lines[key] = min(line, self.first_lines.get(key, line))

    def add_patient(self, key: Key, patient_hash: int) -> None:
        """Note a patient behind a name."""
        hashes_of_key = self.patients[key]
        if len(hashes_of_key) < self.most_patients:
            hashes_of_key.add(patient_hash)

    def add_sample(self, result: str, rank: int, order: list[str]) -> None:
        """Keep an order for chart review if it is among those with the smallest ranks."""
        self.samples[result] = heapq.nsmallest(self.sample_size, [*self.samples[result], (rank, order)])

    def merge(self, other: "Tally") -> None:
        """Add the counts of another tally."""
        self.counts.update(other.counts)
        for key, line in other.first_lines.items():
            self.first_lines[key] = min(line, self.first_lines.get(key, line))
        for key, hashes in other.patients.items():
            hashes_of_key = self.patients[key]
            if len(hashes_of_key) < self.most_patients:
                hashes_of_key.update(hashes)
        for result, orders in other.samples.items():
            self.samples[result] = heapq.nsmallest(self.sample_size, [*self.samples[result], *orders])

    def under(self, *prefix: str) -> dict[Key, int]:
        """Return the counts whose keys begin so, by the rest of the key, sorted."""
        size = len(prefix)
        matching = {key[size:]: count for key, count in self.counts.items() if key[:size] == prefix}
        return dict(sorted(matching.items()))

    def total(self, *prefix: str) -> int:
        """Return the sum of the counts whose keys begin so."""
        return sum(self.under(*prefix).values())

    def to_json(self) -> bytes:
        """Return the tally as JSON, for a file or another process."""
        return to_json(
            {
                "counts": list(self.counts.items()),
                "first_lines": list(self.first_lines.items()),
                "patients": [(key, list(hashes)) for key, hashes in self.patients.items()],
                "samples": self.samples,
            }
        )

    def merge_json(self, content: bytes) -> None:
        """Add the counts of a tally that `to_json` wrote."""
        stored: dict[str, Any] = strict_json(content)
        other = Tally(self.most_patients, self.sample_size)
        other.counts.update(_keyed(stored["counts"]))
        other.first_lines.update(_keyed(stored["first_lines"]))
        other.patients.update({key: set(hashes) for key, hashes in _keyed(stored["patients"]).items()})
        other.samples.update(
            {name: [(rank, order) for rank, order in rows] for name, rows in stored["samples"].items()}
        )
        self.merge(other)


def _keyed(pairs: Iterable[tuple[list[str], Any]]) -> dict[Key, Any]:
    return {tuple(key): value for key, value in pairs}
