"""A real browser on a real server: the system's Chromium, driven by Playwright; consoles must stay clean."""

import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.serving import granian

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
"""As root Chromium runs without its sandbox only; the others keep it from calling home."""


def chromium() -> str:
    """Return where this machine's Chromium is."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    assert found, f"these tests need a browser, one of {', '.join(_NAMES)}: on Debian, apt-get install chromium"
    return found


@pytest.fixture(scope="module", name="browser")
def a_browser() -> Iterator[Browser]:
    """Yield Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(_QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module", name="base")
def a_running_service(tmp_path_factory) -> Iterator[str]:
    """Yield the URL of the service as an operator starts it, in development mode, with an empty store."""
    file = tmp_path_factory.mktemp("store") / "store.sqlite3"
    with granian("--development", store_url=f"sqlite:///{file}") as server:
        yield server.client.base


@pytest.fixture(params=SIZES, name="size")
def a_size(request) -> str:
    """Give each width that a page must fit."""
    return request.param


@pytest.fixture(name="page")
def a_page(browser, base, request) -> Iterator[Page]:
    """Yield a page that fails its test on a fault in the console, an exception or a request elsewhere."""
    size = request.getfixturevalue("size") if "size" in request.fixturenames else "desktop"
    width, height = SIZES[size]
    context = browser.new_context(base_url=base, viewport={"width": width, "height": height})
    page, faults = context.new_page(), []
    page.set_default_timeout(10_000)
    page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda sent: sent.url.startswith((base, "data:", "blob:")) or faults.append(sent.url))
    page.faults = faults
    yield page
    context.close()
    assert not faults, faults


def open_all(page: Page) -> None:
    """Open every part of a page that can be opened."""
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert page.locator("details[open]").count() == page.locator("details").count() > 0


def serious(page: Page) -> list[str]:
    """Return the serious and critical accessibility faults that axe-core finds on a page."""
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {violation['help']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]
