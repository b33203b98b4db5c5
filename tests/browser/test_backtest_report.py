"""The report of a back-test, opened as a file: it says its result at once, and needs neither network nor script."""

import pytest

from tests.browser.browsing import SIZES, a_browser, a_size, serious  # noqa: F401 - fixtures are used by name
from tests.integration.backtest.command import run
from tools.generate_export import generate


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the report on a hospital of which most weeks have few cards."""
    export, out = tmp_path_factory.mktemp("export"), tmp_path_factory.mktemp("report")
    generate(export, orders=2000, entries=6, seed=11)
    summary, *_ = run(export, out, "--who")
    return out / "report.html", summary


def test_report_in_a_browser(report, browser, size):
    """The sentence with its interval is on the first screen; the page fits, asks for nothing and has no fault."""
    file, summary = report
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=True)
    page, faults = context.new_page(), []
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda sent: sent.url == file.as_uri() or faults.append(sent.url))
    page.goto(file.as_uri())
    headline = page.locator(".headline")
    assert f"{summary['cards']['total']:,} cards" in headline.inner_text()
    assert "95% interval" in headline.inner_text()
    place = headline.bounding_box()
    assert place["y"] + place["height"] < height
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert serious(page) == []
    assert page.locator("script").count() == 0
    bars = page.locator("svg").first.locator("rect.bar")
    shown = [row["cards"] for row in summary["weeks"]["rows"] if row["cards"] is not None]
    assert bars.count() == len(shown) > 0
    highest = max(range(len(shown)), key=lambda place: shown[place])
    heights = [bars.nth(place).bounding_box()["height"] for place in range(len(shown))]
    assert max(heights) == heights[highest]
    assert faults == []
    context.close()


def test_weeks_of_few_cards_are_joined(report):
    """Where most weeks have few cards, longer periods are shown, and the page says so."""
    file, summary = report
    assert summary["weeks"]["unit"] != "week"
    assert f"Shown by {summary['weeks']['unit']}" in file.read_text("utf-8")
