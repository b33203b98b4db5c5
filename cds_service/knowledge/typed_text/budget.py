"""How much typed text is read in one call: whoever sends it could keep a worker busy for minutes."""

MOST_LOOKED_AT = 300_000
"""Characters of different texts whose words are looked up: several times those of a chart with 1,500 entries."""

MOST_READ = 20_000
"""Characters of those that are read whole: ten of the longest texts, or the relevant ones of a large chart.

A character takes one to three microseconds where every word matters; no call that we have needs more than a few
hundred.
"""


class TextBudget:
    """Allows texts until they are too many; from then on none."""

    def __init__(self, *, looked_at: int = MOST_LOOKED_AT, read: int = MOST_READ) -> None:
        self._left_to_look_at, self._left_to_read = looked_at, read

    @property
    def is_exceeded(self) -> bool:
        """Tell whether a text was not read."""
        return self._left_to_look_at < 0 or self._left_to_read < 0

    def allows_look(self, text: str) -> bool:
        """Tell whether the words of one more text may be looked up."""
        self._left_to_look_at -= len(text)
        return not self.is_exceeded

    def allows_reading(self, text: str) -> bool:
        """Tell whether one more text may be read whole."""
        self._left_to_read -= len(text)
        return not self.is_exceeded
