"""Take the pictures of our own pages that README and docs show, in the system's Chromium.

Usage: python tools/screenshot.py [FOLDER]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, sync_playwright

COMMAND = str(Path(sys.executable).with_name("plexus-cds"))
PORT = "8791"
MOST_BYTES = 200_000
"""Of a picture: a repository and a page of documentation stay light."""


class Picture(NamedTuple):
    """One page, and how much of it the picture shows, in CSS pixels."""

    path: str
    waits_for: str
    width: int
    height: int


PICTURES = {
    "playground.png": Picture("/#vignette=article", "#answer:not([aria-busy]) article.card", 1280, 940),
    "page-behind-the-card.png": Picture("/cards/lumbosacral-plexus-mri", "#in_short", 960, 720),
}


def wait_for(url: str) -> None:
    """Return once the address answers, or raise TimeoutError after a minute."""
    for _ in range(600):
        try:
            urlopen(url).close()  # noqa: S310 - the server that was just started on this machine
        except URLError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


def take(browser: Browser, base: str, picture: Picture, to: Path) -> None:
    """Write the picture of a page, or raise ValueError where it is too large to be kept."""
    viewport = {"width": picture.width, "height": picture.height}
    page = browser.new_page(viewport=viewport, color_scheme="light", base_url=base)
    page.goto(picture.path, wait_until="networkidle")
    page.wait_for_selector(picture.waits_for)
    page.screenshot(path=to)
    page.close()
    if (size := to.stat().st_size) > MOST_BYTES:
        message = f"{to} has {size} bytes, more than {MOST_BYTES}: show less of the page."
        raise ValueError(message)


def main(folder: Path) -> None:
    """Take all pictures of a service in development mode with an empty store."""
    with tempfile.TemporaryDirectory() as store, sync_playwright() as playwright:
        environment = {**os.environ, "PLEXUS_CDS_STORE_URL": f"sqlite:///{store}/store.sqlite3"}
        command = [COMMAND, "serve", "--development", "--port", PORT]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
        try:
            base = f"http://127.0.0.1:{PORT}"
            wait_for(f"{base}/livez")
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name, picture in PICTURES.items():
                take(browser, base, picture, folder / name)
                print(f"Wrote {folder / name}")
            browser.close()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
