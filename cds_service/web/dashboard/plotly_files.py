"""plotly.js as its package brings it: where it is, and the styles that it adds to a page."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

VERSION = version("plotly")

_STYLE = re.compile(r"""createElement\("style"\);\w+\.id="\w+",\w+\.textContent='([^'\\]*)'""")


def script() -> Path:
    """Return where the library is."""
    return Path(str(files("plotly") / "package_data" / "plotly.min.js"))


@cache
def style_digests() -> tuple[str, ...]:
    """Return the digests by which a policy allows the inline styles of the library, and those alone.

    One <style> is added empty and filled by script afterwards, and one belongs to maps, which are not drawn here.
    """
    styles = ("", *_STYLE.findall(script().read_text(encoding="utf-8")))
    return tuple(f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" for style in styles)
