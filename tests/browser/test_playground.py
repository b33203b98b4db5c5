"""The playground's own tools: the two looks of a card, the link to a case, and results that are of another call."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.browsing import a_browser, a_page, a_running_service, a_size, serious  # noqa: F401 - fixtures are used by name
from tests.browser.test_try_and_judge import ARTICLE, choose

SANDBOX = "CDS Hooks Sandbox"


def choose_look(page: Page, name: str) -> None:
    """Choose how the card is drawn."""
    page.locator(".switch label").filter(has_text=name).click()


def test_the_recommended_suggestion_is_named_in_its_button(page):
    """The word is part of the button's name, and the other button has none."""
    choose(page, ARTICLE)
    buttons = page.locator(".suggestions button")
    expect(buttons.first).to_have_accessible_name("Order plexus MRI instead Recommended")
    expect(buttons.nth(1)).to_have_accessible_name(re.compile("keep the lumbar MRI$"))


def test_the_card_in_the_look_of_the_sandbox(size, page):
    """The Sandbox's look has the source below the summary, a button for each suggestion, and no recommendation."""
    choose(page, ARTICLE)
    choose_look(page, SANDBOX)
    card = page.locator("article.card")
    expect(card.get_by_text("Source:").locator("visible=true")).to_have_count(1)
    expect(card.locator("h3 + .source")).to_be_visible()
    expect(card.locator(".recommended")).to_be_hidden()
    expect(card.locator(".suggestions button")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), size
    assert serious(page) == []
    choose_look(page, "EHR")
    expect(card.locator("h3 + .source")).to_be_hidden()
    expect(card.locator(".recommended")).to_be_visible()


def test_a_link_shares_an_edited_case_and_sends_none_of_it(page, browser, base):
    """Who opens the link sees the edited call and its answer; the server sees the path alone."""
    choose(page, ARTICLE)
    page.get_by_label("Reason for exam").fill("Back pain after a fall")
    page.get_by_role("button", name="Copy link to this case").click()
    link = page.get_by_label("Link to this case").input_value()
    assert link.startswith(f"{base}/#vignette={ARTICLE}&call=")
    other, sent = browser.new_page(), []
    other.on("request", lambda request: sent.append(request.url))
    other.goto(link)
    expect(other.get_by_label("Reason for exam")).to_have_value("Back pain after a fall")
    expect(other.locator("#proves")).to_contain_text("shared case")
    assert not [url for url in sent if "call=" in url.split("#")[0]]
    other.goto(f"{base}/#vignette={ARTICLE}&call=AAAA")
    expect(other.locator("#proves")).to_contain_text("The link is incomplete")
    other.close()


def test_a_link_to_an_unedited_case_is_its_name(page):
    """A case without edits is shared by its name, whose dates stay current."""
    choose(page, "no-cancer")
    page.get_by_role("button", name="Copy link to this case").click()
    expect(page.get_by_label("Link to this case")).to_have_value(re.compile("#vignette=no-cancer$"))


def test_an_old_answer_cannot_be_accepted_while_a_call_is_out(page):
    """From the edit to the new answer the old card is gray and inert."""
    choose(page, ARTICLE)
    waiting = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route("**/cds-services/*", hold)
    page.get_by_label("Reason for exam").fill("Numb left foot")
    expect(page.locator("#results")).to_have_class(re.compile("stale"))
    assert page.locator("#cards").evaluate("cards => cards.inert")
    while not waiting:
        page.wait_for_timeout(50)
    waiting[0].continue_()
    expect(page.locator("#results")).not_to_have_class(re.compile("stale"))
    assert not page.locator("#cards").evaluate("cards => cards.inert")


def test_an_old_answer_cannot_be_accepted_without_a_network(page):
    """Without a network the page says so, the old card is gray and inert; when it is back, the call is sent again."""
    choose(page, ARTICLE)
    page.context.set_offline(True)
    expect(page.locator("#page-fault")).to_contain_text("could not be reached")
    expect(page.locator("#results")).to_have_class(re.compile("stale"))
    assert page.locator("#cards").evaluate("cards => cards.inert")
    page.context.set_offline(False)
    expect(page.locator("#results")).not_to_have_class(re.compile("stale"))
    expect(page.locator("#page-fault")).to_be_hidden()


def test_a_long_option_can_be_read_whole(size, page):
    """The text of a selected option that its field cuts stands below the field."""
    choose(page, ARTICLE)
    order = page.get_by_label("Selected order")
    text = order.evaluate("select => select.selectedOptions[0].text")
    expect(page.locator("#order + .whole")).to_have_text(text)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), size


@pytest.mark.parametrize("path", ["/dashboard/", "/favicon.ico"])
def test_addresses_that_people_and_browsers_try(path, page):
    """The dashboard answers with a slash as well, and a browser finds the icon where it looks for one."""
    assert page.goto(path).status == 200
