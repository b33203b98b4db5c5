"""Take the README's picture of the playground: the article's patient, in the system's Chromium.

Usage: python tools/screenshot.py [FILE]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

COMMAND = str(Path(sys.executable).with_name("plexus-cds"))
PORT = "8791"
TO = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/playground.png")


def wait_for(url: str) -> None:
    """Return once the address answers, or raise TimeoutError after ten seconds."""
    for _ in range(100):
        try:
            urlopen(url).close()  # noqa: S310 - the server that was just started on this machine
        except URLError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


def take(url: str) -> None:
    """Write the picture of a page, at the width of a desktop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 1000}, color_scheme="light")
        page.goto(url, wait_until="networkidle")
        page.wait_for_selector("#answer:not([aria-busy]) article.card")
        page.screenshot(path=TO)
        browser.close()


with tempfile.TemporaryDirectory() as folder:
    environment = {**os.environ, "PLEXUS_CDS_STORE_URL": f"sqlite:///{folder}/store.sqlite3"}
    command = [COMMAND, "serve", "--development", "--port", PORT]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    try:
        wait_for(f"http://127.0.0.1:{PORT}/livez")
        take(f"http://127.0.0.1:{PORT}/#vignette=article")
    finally:
        server.terminate()
        server.wait()
print(f"Wrote {TO}")
