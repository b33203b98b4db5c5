"""Every page, at desktop and phone width."""

import pytest

from tests.browser.browsing import a_browser, a_page, a_running_service, a_size, serious  # noqa: F401 - fixtures are used by name

PAGES = ("/", "/dashboard", "/cards/lumbosacral-plexus-mri", "/api")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_fault(path, size, page):
    """Each page shows its heading, fits its width, keeps the console clean and has no serious accessibility fault."""
    page.goto(path, wait_until="networkidle")
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), size
    assert serious(page) == []


def test_a_fault_of_a_page_is_seen(browser, base):
    """The check of accessibility can fail: a picture without a text and a field without a label are found."""
    page = browser.new_page(base_url=base)
    page.set_content("<html><body><img src='x.png'><input></body></html>")
    assert {fault.split(":")[0] for fault in serious(page)} >= {"image-alt", "label"}
    page.close()
