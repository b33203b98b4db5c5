"""Small cells: counts of a few people are hidden, with as many others as it takes that no sum tells them.

The rule is that of the CMS cell size suppression policy (no cell of 1 to 10, nor one that is derivable from others).
"""

from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

_Cell = TypeVar("_Cell", bound=Hashable)


def is_small(count: int, at_least: int) -> bool:
    """Return whether a count is of somebody, but of fewer than so many."""
    return 0 < count < at_least


def shown(count: int, at_least: int) -> int | None:
    """Return a count that is no part of a published sum, or None if it is small."""
    return None if is_small(count, at_least) else count


def protect(
    cells: Mapping[_Cell, int],
    at_least: int,
    caps: Mapping[_Cell, int | None] | None = None,
    hide_last: Collection[_Cell] = (),
) -> dict[_Cell, int | None]:
    """Return the cells of a table whose total is published, with None for each that is hidden.

    Small cells are hidden, then the smallest others, those of `hide_last` at last, until each hidden cell could still
    have any of at_least - 1 values by all that is published: the total, the other cells, and the `caps` that a
    cell cannot exceed. Where that cannot be reached, the whole table is hidden.
    """
    hidden = {cell for cell, count in cells.items() if is_small(count, at_least)}
    if caps:
        hidden |= {cell for cell, cap in caps.items() if cap is not None and is_small(cap - cells[cell], at_least)}
    if not hidden:
        return dict(cells)
    others = [cell for cell, count in cells.items() if count and cell not in hidden]
    others.sort(key=lambda cell: (cell in hide_last, cells[cell]))
    while not _is_open(hidden, cells, at_least, caps or {}):
        if not others:
            return dict.fromkeys(cells)
        hidden.add(others.pop(0))
    return {cell: None if cell in hidden else count for cell, count in cells.items()}


def _is_open(hidden: set[_Cell], cells: Mapping[_Cell, int], at_least: int, caps: Mapping[_Cell, int | None]) -> bool:
    """Return whether each hidden cell has at_least - 1 possible values; none can be zero, as zeros are shown."""
    total = sum(cells[cell] for cell in hidden)
    most = {cell: total if (cap := caps.get(cell)) is None else min(cap, total) for cell in hidden}
    capacity = sum(most.values())
    for cell in hidden:
        high = min(most[cell], total - (len(hidden) - 1))
        low = max(1, total - (capacity - most[cell]))
        if high - low + 1 < min(at_least - 1, most[cell]) or high == low:
            return False
    return True
