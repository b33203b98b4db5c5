"""A newcomer's path, from the first card to the API page: by keyboard alone, and at each width in light and dark."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.browsing import a_browser, a_page, a_running_service, serious  # noqa: F401 - fixtures are used by name

WIDTHS = {"desktop": (1280, 900), "tablet": (768, 1024), "phone": (390, 844)}
FOCUSED = """() => {
    const focused = document.activeElement;
    const drawn = focused.matches(".switch input") ? focused.nextElementSibling : focused;
    const { outlineStyle, outlineWidth } = getComputedStyle(drawn);
    const { top, bottom } = drawn.getBoundingClientRect();
    const words = focused.ariaLabel || focused.labels?.[0]?.innerText || focused.innerText || focused.tagName;
    return {
        name: words.replaceAll(/\\s+/g, " ").trim(),
        isDrawn: outlineStyle !== "none" && parseFloat(outlineWidth) > 0 && bottom > 0 && top < innerHeight,
    };
}"""
CUT = """() => [...document.querySelectorAll("button, label, summary, legend, h1, h2, h3, th, td, p, li, a, .badge")]
    .filter((one) => one.checkVisibility() && !one.closest(".visually-hidden, .skip, .scroll, .chart, pre"))
    .filter((one) => getComputedStyle(one).display !== "inline" && one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.outerHTML.slice(0, 120))"""


def ready(page: Page) -> None:
    """Wait for the answer to the present call."""
    page.wait_for_selector("#answer:not([aria-busy]) #cards:not([inert]) > *")


def tab_to(page: Page, target: Locator, key: str = "Tab") -> list[str]:
    """Press Tab until the target has the focus, which is drawn at every step; return the names on the way."""
    names: list[str] = []
    for _ in range(60):
        page.keyboard.press(key)
        focused = page.evaluate(FOCUSED)
        assert focused["isDrawn"], focused
        names.append(focused["name"])
        if target.evaluate("one => one === document.activeElement"):
            return names
    raise AssertionError(names)


def test_a_card_is_accepted_by_keyboard(page):
    """Select a case, accept, and send again: the focus is seen, and goes where the work goes on."""
    page.goto("/")
    ready(page)
    case, answer = page.get_by_role("combobox", name="Case"), page.get_by_role("region", name="3 Card")
    feedback, status = page.get_by_role("group", name="Feedback"), page.locator("#status")
    names = tab_to(page, case)
    assert names == ["Skip to main content", "plexus-cds", "Playground", "Dashboard", "About the card", "API", "Case"]
    page.keyboard.type("Resolved cervical")
    expect(status).to_contain_text(re.compile(r"^1 card: warning\. Leg weakness after cervical cancer"))
    expect(case).to_be_focused()

    accept = page.get_by_role("list", name="Suggestions").get_by_role("button", name="Order plexus MRI instead")
    names = tab_to(page, accept)
    assert [name for name in names if name in ("Selected order", "Reason for exam", "Send request")] == [
        "Selected order",
        "Reason for exam",
        "Send request",
    ]
    page.keyboard.press("Enter")
    expect(feedback).to_be_focused()
    expect(feedback).to_contain_text("Accepted: Order plexus MRI instead")
    tab_to(page, page.get_by_role("button", name="Send again with these orders"))
    page.keyboard.press("Space")
    expect(status).to_contain_text("No card. ")
    expect(answer).to_be_focused()
    tab_to(page, page.get_by_role("link", name="Try the sample patient"))
    page.keyboard.press("Enter")
    expect(status).to_contain_text("1 card: warning.")
    expect(answer).to_be_focused()


def test_a_card_is_dismissed_and_the_pages_are_opened_by_keyboard(page):
    """Dismiss, close with Escape, read why, and open each page: the focus is seen, and goes where the work goes on."""
    page.goto("/")
    ready(page)
    feedback, dismiss = page.get_by_role("group", name="Feedback"), page.locator(".dismiss > summary")
    tab_to(page, dismiss)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name="No plexopathy suspected")).to_be_checked()
    page.keyboard.press("Escape")
    expect(dismiss).to_be_focused()
    expect(page.get_by_role("radio", name="No plexopathy suspected")).to_be_hidden()
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name="Dismiss"))
    page.keyboard.press("Enter")
    expect(feedback).to_be_focused()
    expect(feedback).to_contain_text("Dismissed: No plexopathy suspected")

    tab_to(page, page.locator("#steps summary"))
    page.keyboard.press("Enter")
    expect(page.locator(".silences li").first).to_be_visible()
    tab_to(page, page.get_by_role("link", name="view it on the dashboard"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    expect(page.get_by_label("Client")).to_have_value("playground")
    pages = (("About the card", "MRI of the lumbosacral plexus", "Tab"), ("API", "API", "Shift+Tab"))
    for name, heading, key in pages:
        tab_to(page, page.get_by_role("navigation").get_by_role("link", name=name), key)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        tab_to(page, page.locator("main summary").first)
        page.keyboard.press("Enter")
        expect(page.locator("main details").first).to_have_attribute("open", "")


def test_the_focus_stays_where_feedback_failed(page):
    """Where the service cannot be reached, nothing is lost: the choices stay, and the focus is on what happened."""
    page.goto("/")
    ready(page)
    page.route("**/feedback", lambda route: route.abort())
    page.get_by_role("button", name="Order plexus MRI instead").press("Enter")
    expect(page.get_by_role("group", name="Feedback")).to_be_focused()
    expect(page.get_by_role("group", name="Feedback")).to_contain_text("Nothing was sent")
    expect(page.get_by_role("button", name="Order plexus MRI instead")).to_be_enabled()
    page.faults.clear()


def test_a_screen_reader_finds_the_parts(page):
    """Regions, the card, its suggestions, the reasons and the decision table have roles and names."""
    page.goto("/#vignette=pacemaker")
    ready(page)
    for name in ("1 Select a case", "3 Card", "4 Explanation", "5 Request and response"):
        expect(page.get_by_role("region", name=name)).to_be_visible()
    card = page.get_by_role("article", name=re.compile("^Leg weakness after prostate cancer"))
    expect(card.get_by_role("list", name="Suggestions").get_by_role("button")).to_have_count(3)
    expect(card.get_by_role("link", name="About this advice (opens in a new tab)")).to_be_visible()
    page.locator(".dismiss > summary").click()
    reasons = card.get_by_role("group", name="Why are you dismissing this card?")
    expect(reasons.get_by_role("radio", name="MRI is not possible")).to_be_visible()
    expect(card.get_by_role("textbox", name="Comment (optional)")).to_be_visible()
    expect(page.get_by_role("table", name=re.compile("history \\(rows\\) by signs"))).to_be_visible()
    expect(page.locator("#status[role=status]")).to_contain_text("1 card: warning. Leg weakness")


@pytest.mark.parametrize("width", WIDTHS)
def test_each_state_is_sound(width, page):
    """In light and dark each state fits its width, cuts no text, and has no serious accessibility fault."""
    page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))

    def assert_sound(state: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), state
        assert page.evaluate(CUT) == [], state
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious(page) == [], (state, scheme)

    page.emulate_media(reduced_motion="reduce")
    page.goto("/")
    ready(page)
    assert_sound("first card")
    page.get_by_role("button", name="Order plexus MRI instead").click()
    page.get_by_role("button", name="Send again with these orders").wait_for()
    assert_sound("accepted")
    page.goto("/#vignette=pacemaker")
    page.reload()
    ready(page)
    page.locator(".dismiss > summary").click()
    page.get_by_label("MRI is not possible").check()
    assert_sound("dismissing")
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("link", name="view it on the dashboard").wait_for()
    assert_sound("dismissed")
    page.goto("/#vignette=refuted-cancer")
    page.reload()
    ready(page)
    page.locator("#steps summary").click()
    assert_sound("no card, and why")
    for path in ("/cards/lumbosacral-plexus-mri", "/dashboard?client=playground", "/api"):
        page.goto(path, wait_until="networkidle")
        assert_sound(path)
