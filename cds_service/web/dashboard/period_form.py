"""The form that selects a period: what was entered, what is wrong with it, and the period."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from cds_service.store.period import FILTERS, PLAYGROUND, UNNAMED, Period, monday_of

_WEEKS = 12
_YEARS = 10
_MAX_SHOWN = 40
_LABELS = {"service": "service", "client": "client", "knowledge": "rule version"}
_SHORTCUTS = {"12 weeks": _WEEKS, "6 months": 26, "1 year": 52}


@dataclass(frozen=True, slots=True)
class PeriodForm:
    """The fields, empty where no day was filled in; `period` is None where something is wrong, by field in `faults`."""

    values: Mapping[str, str]
    faults: Mapping[str, str] = field(default_factory=dict)
    period: Period | None = None

    @property
    def query(self) -> dict[str, str]:
        """Return the fields with a value, for the URL of another view of the same period."""
        return {name: value for name, value in self.values.items() if value}


def read_form(query: Mapping[str, str], choices: Mapping[str, tuple[str, ...]], today: date) -> PeriodForm:
    """Return the form for a query; the default is the last twelve weeks of all data."""
    defaults = {"from": first_day(_WEEKS, today).isoformat(), "to": today.isoformat()}
    values = {name: query.get(name, defaults.get(name, "")).strip() for name in ("from", "to", *FILTERS)}
    days = {name: _day(values[name]) for name in defaults}
    faults = {name: _not_a_day(values[name], today) for name, day in days.items() if day is None}
    faults |= {
        name: f"Unknown {_LABELS[name]}: choose one from the list."
        for name in FILTERS
        if _unknown(name, values, choices)
    }
    values |= {name: day.isoformat() if day else "" for name, day in days.items()}
    first, last = days["from"], days["to"]
    if first and last and (fault := _fault(first, last)):
        faults["from"] = fault
    if faults or first is None or last is None:
        return PeriodForm(values, faults)
    return PeriodForm(values, period=Period(first, last, **{name: values[name] for name in FILTERS}))


def first_day(weeks: int, today: date) -> date:
    """Return the Monday that begins the last so many weeks, the current one included."""
    return monday_of(today) - timedelta(weeks=weeks - 1)


def shortcuts(today: date) -> dict[str, dict[str, str]]:
    """Return the query of each shortcut, by its label."""
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
    fault = f"“{text[:_MAX_SHOWN]}” is not a valid date" if text else "Enter a date"
    return f"{fault}; use YYYY-MM-DD, for example {today.isoformat()}."


def _fault(first: date, last: date) -> str:
    if first > last:
        return "Start date must be on or before the end date."
    if (last - first).days > _YEARS * 366:
        return f"The period is longer than {_YEARS} years; choose a later start date."
    return ""


def _unknown(name: str, values: Mapping[str, str], choices: Mapping[str, tuple[str, ...]]) -> bool:
    always = ("", UNNAMED, PLAYGROUND) if name == "client" else ("",)
    return values[name] not in (*always, *choices[name])
