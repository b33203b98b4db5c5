"""The dashboard with something to tell, with nothing, and asked for what is no period."""

import pytest
from playwright.sync_api import Page, expect

from cds_service import examples
from cds_service.clock import SYSTEM_CLOCK
from tests.browser.browsing import a_browser, a_page, a_running_service, a_size, open_all, serious  # noqa: F401 - fixtures are used by name
from tests.support.service import ORDER_SELECT, Client

TODAY = SYSTEM_CLOCK.today()
YEARS_AGO = f"/dashboard?from={TODAY.year - 3}-01-01&to={TODAY}"
NEVER = "/dashboard?from=2001-01-01&to=2001-03-31"


@pytest.fixture(scope="module", name="used", autouse=True)
def a_service_that_was_used(base) -> None:
    """Let an EHR meet a silence, be shown the article's card, and dismiss it, which has all of it written."""
    client, calls = Client(base), {vignette["name"]: vignette["call"] for vignette in examples.vignettes(TODAY)}
    assert client.cards(calls["no-cancer"]) == []
    [card] = client.cards(calls["article"])
    report = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": SYSTEM_CLOCK.now().isoformat()}
    assert client.post({"feedback": [report]}, f"{ORDER_SELECT}/feedback").status_code == 200
    client.session.close()


def assert_sound(page: Page) -> None:
    """Assert that a page fits its width, with all its parts opened, and has no serious accessibility fault."""
    if page.locator("details").count():
        open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert serious(page) == []


@pytest.mark.parametrize(("path", "step"), [("/dashboard", "week"), (YEARS_AGO, "month")], ids=["weeks", "years"])
def test_charts_are_drawn(path, step, size, page):
    """Each figure that has rows is drawn, stands as a table, and is sound; a long period has its years on the axis."""
    page.goto(path, wait_until="networkidle")
    charts = page.locator(".chart")
    assert charts.count() >= 6, size
    for chart in charts.all():
        assert chart.locator(".plot svg:visible, .bars svg:visible").count() >= 1
        assert chart.locator(".plot svg:visible").count() <= 1, "one width fits"
    expect(page.get_by_role("heading", name=f"Cards by {step}")).to_be_visible()
    years = page.locator("#cards .plot:visible text").filter(has_text=str(TODAY.year - 2))
    assert (years.count() > 0) == (step == "month")
    assert_sound(page)


def test_the_numbers_of_an_ehr(page):
    """What an EHR was shown and reported is the default view, without the calls of the playground."""
    page.goto("/dashboard")
    expect(page.locator("#cards > p")).to_have_text(
        "1 card shown, on 1 order. Of the cards, 0 accepted, 1 overridden, 0 without feedback so far."
    )
    expect(page.locator("#silences > p")).to_contain_text("1 decision on monitored orders without a card.")


def test_nothing_to_tell(size, page):
    """A period without calls says so, draws nothing, and is sound."""
    page.goto(NEVER)
    expect(page.get_by_text("No decisions in this period")).to_be_visible()
    assert page.locator(".chart").count() == 0, size
    assert_sound(page)


@pytest.mark.parametrize("day", ["2026-02-30", "next week"])
def test_no_date(day, size, page):
    """An invalid date is reported beside its field, which is empty; the browser reports only the 400."""
    page.goto(f"/dashboard?from={day}&to=2026-11-22")
    expect(page.get_by_label("From")).to_have_value("")
    expect(page.locator("#from-fault")).to_contain_text(f"“{day}” is not a valid date")
    assert_sound(page)
    [line] = page.faults
    assert "status of 400" in line, size
    page.faults.clear()
