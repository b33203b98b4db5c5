"""The page behind the card: the short answer first, the rest in folds, and all of it on paper."""

from playwright.sync_api import expect

from tests.browser.browsing import a_browser, a_page, a_running_service, a_size, open_all, serious  # noqa: F401 - fixtures are used by name

PATH = "/cards/lumbosacral-plexus-mri"
HIDDEN = "folds => folds.filter(fold => !fold.lastElementChild.checkVisibility()).length"


def test_the_short_answer_stands_on_the_first_screen(size, page):
    """What to do, who decides and how to report a problem need no click; every other section is a closed fold."""
    page.goto(PATH)
    expect(page.get_by_text("Report a problem").first).to_be_visible()
    folds = page.locator("main details")
    assert folds.count() > 5, size
    assert folds.evaluate_all(HIDDEN) == folds.count()


def test_a_citation_opens_the_fold_of_its_source(page):
    """A citation of the first section leads to its source, which is folded."""
    page.goto(PATH)
    page.locator("#in_short .cite").first.click()
    expect(page.locator(":target")).to_be_visible()


def test_the_keyboard_opens_a_fold(page):
    """The first fold is reached by the keyboard and opened with Enter."""
    page.goto(PATH)
    page.locator("main summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("main details").first).to_have_attribute("open", "")


def test_it_prints_as_one_handout(page):
    """On paper every fold is open."""
    page.goto(PATH)
    page.emulate_media(media="print")
    assert page.locator("main details").evaluate_all(HIDDEN) == 0


def test_open_folds_are_readable(size, page):
    """With all folds open the page fits its width, the ratings too, and has no serious accessibility fault."""
    page.goto(PATH)
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), size
    assert page.locator(".ratings").evaluate("table => table.scrollWidth <= table.clientWidth")
    assert serious(page) == []
