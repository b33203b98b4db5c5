"""The one clock: nothing else in the service asks what time it is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo


def _machine_time() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - here alone


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells the moment, in UTC, and the day in a time zone: that of the machine, unless another one is given."""

    now: Callable[[], datetime] = _machine_time
    zone: tzinfo | None = None

    def today(self) -> date:
        """Return the day that it is."""
        return self.day_of(self.now())

    def day_of(self, moment: datetime) -> date:
        """Return the day of a moment; code that needs both calls `now` once, as midnight may come between two calls."""
        return moment.astimezone(self.zone).date()


SYSTEM_CLOCK = Clock()
