"""What clinicians write when they dismiss a card: kept only where the site wants it."""

from uuid import uuid4

import pytest

from cds_service.store.tables import FEEDBACK
from tests.support.databases import rows, serving_with
from tests.support.service import ORDER_SELECT

DISMISSAL = {
    "card": "44dcbf3e-a90e-4503-8bd0-eb24a7bbe9e4",
    "outcome": "overridden",
    "outcomeTimestamp": "2026-11-22T08:30:00Z",
}


def send(service, *reports):
    """Report and return the status."""
    return service.post({"feedback": list(reports)}, f"{ORDER_SELECT}/feedback").status_code


@pytest.mark.parametrize("kept", [False, True])
def test_comments_are_kept_where_the_site_wants_them(kept, store, store_url, knowledge, caplog):
    """A comment is kept as it was written, up to a length, only where that is switched on; it is never logged."""
    caplog.set_level("DEBUG")
    words = "canary: Frau Müller möchte nicht \N{PERSEVERING FACE}\0" + "x" * 9000
    with serving_with(store_url, knowledge, store_comments=kept) as (service, _):
        assert send(service, DISMISSAL | {"overrideReason": {"userComment": words}}) == 200
    [row] = rows(store, FEEDBACK)
    assert row.comment == (words.replace("\0", "")[:4000] if kept else None)
    assert "canary" not in caplog.text


def test_a_comment_may_come_later(store, store_url, knowledge):
    """A repeated report brings the comment that the first one lacked, and changes none that is there."""
    with serving_with(store_url, knowledge, store_comments=True) as (service, _):
        for words in ({}, {"userComment": "late"}, {"userComment": "later"}, {}):
            assert send(service, DISMISSAL | {"overrideReason": words}) == 200
        dismissal = DISMISSAL | {"card": str(uuid4())}
        assert send(service, dismissal | {"overrideReason": {"userComment": "at once"}}, dismissal) == 200
    assert [row.comment for row in rows(store, FEEDBACK)] == ["late", "at once"]
