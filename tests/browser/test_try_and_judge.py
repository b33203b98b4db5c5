"""What a tester does: choose a patient, read the card, accept or dismiss it, and see it counted on the dashboard."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import a_browser, a_page, a_running_service, open_all, serious  # noqa: F401 - fixtures are used by name

ARTICLE, DEVICE = "article", "pacemaker"


def choose(page: Page, vignette: str) -> None:
    """Open the playground on a case, and wait for its answer."""
    page.goto(f"/#vignette={vignette}")
    page.reload()
    page.wait_for_selector("#answer:not([aria-busy]) #cards > *")


def counted(page: Page, figure: str, row: str, address: str = "/dashboard?client=playground") -> int:
    """Return the number of a row of the dashboard's tables; one that is not there was counted never."""
    page.goto(address)
    cell = page.locator(f"#{figure} tbody tr", has=page.locator("th", has_text=row)).locator("td").first
    return int(cell.text_content().split()[0]) if cell.count() else 0


def test_the_article_card_is_read_accepted_and_counted(page):
    """A tester chooses the article's patient, reads the card, accepts it, and sees it counted apart from real calls."""
    choose(page, ARTICLE)
    card = page.locator("article.card.warning")
    expect(card).to_contain_text("Radiotherapy, prostate")
    expect(card).to_contain_text("Prostate cancer, in remission")
    assert counted(page, "kinds", "Order the proposed study instead") == 0
    choose(page, ARTICLE)
    page.get_by_role("button", name="Order plexus MRI instead").click()
    expect(page.locator(".result")).to_contain_text("200")
    page.get_by_role("link", name="view it on the dashboard").click()
    expect(page.get_by_label("Client")).to_have_value("playground")
    assert counted(page, "kinds", "Order the proposed study instead", page.url) == 1
    assert counted(page, "kinds", "Order the proposed study instead", "/dashboard") == 0


def test_another_card_is_dismissed_with_a_reason_and_counted(page):
    """A tester dismisses a card with a coded reason, and the dashboard counts the reason."""
    choose(page, DEVICE)
    page.locator(".dismiss > summary").click()
    page.get_by_label("MRI is not possible").check()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".result")).to_contain_text("200")
    assert counted(page, "reasons", "MRI is not possible") == 1


@pytest.mark.parametrize("vignette", ["no-cancer", "refuted-cancer"])
def test_a_silence_is_explained(vignette, page):
    """Where no card comes, the page names the reason in words, and the silence that held."""
    choose(page, vignette)
    expect(page.locator(".no-card")).to_be_visible()
    expect(page.locator(".silences li.holds")).to_contain_text("No malignancy")


def test_an_edit_changes_the_answer(page):
    """Taking the entries of the record away silences the card, and the way back is a click."""
    choose(page, ARTICLE)
    for entry in ("conditions-0", "procedures-0"):
        page.locator(f"details#{entry}").locator("summary").first.click()
        page.locator(f"details#{entry}").get_by_role("button", name="Remove").click()
    expect(page.locator(".no-card")).to_be_visible()
    page.locator("#reset").click()
    expect(page.locator("article.card")).to_be_visible()


def test_broken_json_is_told_where_it_is_broken(page):
    """A pasted call that is not JSON is reported with line and column; nothing is sent."""
    choose(page, ARTICLE)
    page.locator("label", has=page.locator("#mode-json")).click()
    page.locator("#call-json").fill('{"hook":\n "order-select",}')
    expect(page.locator("#json-fault")).to_contain_text("line 2")


def test_the_open_parts_of_the_playground_have_no_serious_fault(page):
    """The playground stays accessible with its parts opened."""
    choose(page, ARTICLE)
    open_all(page)
    assert serious(page) == []
