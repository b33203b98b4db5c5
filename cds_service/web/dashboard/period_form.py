"""The form by which a period is chosen: what was typed, what is wrong with it, and the period it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from cds_service.store.period import FILTERS, PLAYGROUND, UNNAMED, Period, monday_of

_WEEKS = 12
_YEARS = 10
_TOLD = 40
_SHORTCUTS = {"12 weeks": _WEEKS, "6 months": 26, "1 year": 52}


@dataclass(frozen=True, slots=True)
class PeriodForm:
    """The fields, empty where no day was filled in; `period` is None where something is wrong, by field in `faults`."""

    values: Mapping[str, str]
    faults: Mapping[str, str] = field(default_factory=dict)
    period: Period | None = None

    @property
    def query(self) -> dict[str, str]:
        """Return the fields that say something, for the address of another view of the same period."""
        return {name: value for name, value in self.values.items() if value}


def read_form(query: Mapping[str, str], choices: Mapping[str, tuple[str, ...]], today: date) -> PeriodForm:
    """Return the form for a query; what the query does not name is the last twelve weeks of everything."""
    usual = {"from": first_day(_WEEKS, today).isoformat(), "to": today.isoformat()}
    values = {name: query.get(name, usual.get(name, "")).strip() for name in ("from", "to", *FILTERS)}
    days = {name: _day(values[name]) for name in usual}
    faults = {name: _not_a_day(values[name], today) for name, day in days.items() if day is None}
    faults |= {name: f"The store has no {name} of this name." for name in FILTERS if _unknown(name, values, choices)}
    values |= {name: day.isoformat() if day else "" for name, day in days.items()}
    first, last = days["from"], days["to"]
    if first and last and (fault := _fault(first, last)):
        faults["from"] = fault
    if faults or first is None or last is None:
        return PeriodForm(values, faults)
    return PeriodForm(values, period=Period(first, last, **{name: values[name] for name in FILTERS}))


def first_day(weeks: int, today: date) -> date:
    """Return the Monday with which as many weeks begin, the present one among them."""
    return monday_of(today) - timedelta(weeks=weeks - 1)


def shortcuts(today: date) -> dict[str, dict[str, str]]:
    """Return the periods that people ask for most, as queries by their names."""
    return {
        name: {"from": first_day(weeks, today).isoformat(), "to": today.isoformat()}
        for name, weeks in _SHORTCUTS.items()
    }


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _not_a_day(text: str, today: date) -> str:
    what = f"“{text[:_TOLD]}” is not a date of the calendar" if text else "A date is missing"
    return f"{what}: write it as {today.isoformat()}."


def _fault(first: date, last: date) -> str:
    if first > last:
        return f"The period begins after it ends: choose {last} or a day before it, or a later last day."
    if (last - first).days > _YEARS * 366:
        return f"The period is longer than {_YEARS} years: choose a later first day."
    return ""


def _unknown(name: str, values: Mapping[str, str], choices: Mapping[str, tuple[str, ...]]) -> bool:
    always = ("", UNNAMED, PLAYGROUND) if name == "client" else ("",)
    return values[name] not in (*always, *choices[name])
