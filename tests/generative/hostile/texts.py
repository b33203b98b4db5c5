"""Texts that an attacker, or bad luck, puts into a chart: markup, links, images, and what hides or turns text."""

import csv
import re
from pathlib import Path

from hypothesis import strategies as st

import cds_service.cards
from cds_service.knowledge import CARD
from cds_service.knowledge.typed_text import folded

MARKUP = {
    "element": "<b>bold</b>",
    "script": "<script>alert(1)</script>",
    "image with a handler": "<img src=x onerror=alert(1)>",
    "svg": "<svg/onload=alert(1)>",
    "link in HTML": '<a href="https://evil.example/">here</a>',
    "unclosed element": "<iframe src=//evil.example ",
    "comment": "<!-- the rest is hidden",
    "CDATA": "<![CDATA[x]]>",
    "instruction": "<?php x ?>",
    "link": "[here](https://evil.example/)",
    "script as a link": "[here](javascript:alert(1))",
    "link by reference": "[here][1]\n\n[1]: https://evil.example/",
    "image": "![x](https://evil.example/pixel.png)",
    "autolink": "<https://evil.example/>",
    "bare address": "https://evil.example/a",
    "bare host": "www.evil.example",
    "mail address": "nurse@evil.example",
    "code": "`x`",
    "block of code": "```\nx\n```",
    "indented code": "\n\n    x",
    "heading": "\n# Order it now",
    "heading by a line": "\n\nOrder it now\n===",
    "quotation": "\n\n> x",
    "rule": "\n\n---\n\n",
    "numbered list": "\n\n1. x\n2. y",
    "strikethrough": "~~not~~",
}
"""What a renderer makes elements, links or images of that are none of ours."""

CONTROLS = {
    "direction": "\u202egnp.exe\u202c",
    "isolate": "\u2066x\u2069",
    "zero width": "a\u200bb\u200d\ufeff",
    "escape sequence": "\x1b[31mred\x1b[0m",
    "bell": "\x07",
    "line separator": "a\u2028b\u2029",
    "soft hyphen": "a\u00adb",
    "language tag": "\U000e0041",
    "private use": "\ue000",
    "lone surrogate": "\ud800",
    "line ends": "a\r\nSet-Cookie: x=1\r\n\r\n<p>",
}
"""What is invisible, or turns what is seen into something else."""

OTHERS = {
    "holes": "$proposed ${order} $",
    "templates": "{{context.patientId}} {% x %} {0} %s",
    "SQL": "'; DROP TABLE cards; --",
    "formula": "=HYPERLINK(A1)",
    "escaped": "&lt;b&gt;",
    "table": "| a | b |\n|---|---|\n| c | d |",
    "footnote": "[^1]\n\n[^1]: a footnote",
    "emphasis": "**bold** _it_ \\* \\",
    "long": "x" * 2_000,
    "many brackets": "[and so on in many brackets " * 20,
    "many stars": "*_" * 500,
    "many angles": "<" * 500,
    "accents": "\u0301" * 500,
    "other scripts": "腰椎 \U0001f9b4 \u05d0",
    "NUL": "\0",
}
"""What other readers of a text stumble over."""

HOSTILE = MARKUP | CONTROLS | OTHERS

hostile_texts = st.one_of(
    st.sampled_from([*HOSTILE.values()]),
    st.lists(st.sampled_from([*HOSTILE.values()]), min_size=2, max_size=4).map(lambda texts: "".join(texts)[:1000]),
    st.text(min_size=1, max_size=30),
    st.text("<>[]()!*_`~#|\\&\n -.@:/w1", min_size=1, max_size=30),
)
"""Hostile texts as they are, joined, or made up of the characters that mean something to a renderer."""

QUALIFYING = ("denial", "denied", "question", "doubt", "past", "family")
"""The cues that say how certain, how old or whose it is what stands beside them."""
TABLE = Path(cds_service.cards.__file__).parent / CARD / "reason_words.csv"
CUES = "|".join(
    cue.strip()
    for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())
    if row["topic"] == "cue" and row["means"].startswith(QUALIFYING)
    for cue in row["words"].split(";")
)
QUALIFIED = re.compile(rf" (?:{CUES}) |[?\u00bf]|\(\s*[-\u2013]\s*\)")
"""Such a cue between blanks, or a sign that says the same."""


def is_qualified(text: str) -> bool:
    """Tell whether a text says how certain, how old or whose it is what stands beside it."""
    spaced = re.sub(r"[^a-z0-9]+", " ", folded(text))
    return bool(QUALIFIED.search(f"{text} {spaced} "))
