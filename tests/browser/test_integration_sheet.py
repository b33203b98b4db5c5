"""The integration sheet, opened as a file: it needs neither network nor script, and fits screen, phone and paper."""

import pytest

from tests.browser.browsing import SIZES, a_browser, a_size, serious  # noqa: F401 - fixtures are used by name
from tests.support.integration_sheets import EPIC, SANDBOX, hospital
from tests.support.serving import run


@pytest.fixture(scope="module", params=["no clients", EPIC, SANDBOX])
def sheet(request, tmp_path_factory):
    """Write the sheet of a client, or of a site without clients, and return its file."""
    folder = tmp_path_factory.mktemp("sheet")
    is_client = request.param != "no clients"
    file = folder / "sheet.html"
    done = run(
        *("integration-sheet", "--output", str(file), *(["--client", request.param] if is_client else [])),
        **(hospital(folder) if is_client else {}),
    )
    assert done.returncode == 0, done.stderr
    return file


@pytest.mark.parametrize("medium", ["screen", "print"])
def test_sheet_in_a_browser(sheet, medium, browser, size):
    """The page fits its width, asks for nothing, keeps the console clean and has no accessibility fault."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height})
    page, faults = context.new_page(), []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda sent: sent.url.startswith((sheet.as_uri(), "data:")) or faults.append(sent.url))
    page.goto(sheet.as_uri())
    page.emulate_media(media=medium)
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.locator("h2").last.inner_text() == "12. Versions"
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert (page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "none") is (medium == "print")
    assert serious(page) == []
    assert page.locator("script").count() == 0
    assert faults == []
    context.close()
