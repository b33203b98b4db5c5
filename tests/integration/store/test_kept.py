"""What is kept of a call: its cards and what was decided, and nothing that could be patient data."""

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest

from cds_service import examples
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.tables import CARDS, DECISIONS, SUGGESTIONS
from tests.support.databases import rows, serving_with
from tests.support.service import ORDER_SELECT, TODAY

SERVICE = ORDER_SELECT.rpartition("/")[2]
KEY = "a key of the site's own"


def call(name="article", **changes):
    """Return an example call, with some members of its context replaced."""
    body = examples.example("calls", name, TODAY)
    return body | {"context": body["context"] | changes}


def test_a_card_is_kept_with_its_suggestions(store, store_url, knowledge):
    """A card that was shown has a row, and so has each of its suggestions, by its kind."""
    with serving_with(store_url, knowledge) as (client, parts):
        [card] = client.cards(call())
        parts.recorder.flush()
    [row] = rows(store, CARDS)
    kept = (row.uuid, row.service, row.day, row.client, row.indicator, row.history, row.incomplete, row.patient)
    assert kept == (card["uuid"], SERVICE, TODAY, "", card["indicator"], "in_reach", False, None)
    assert row.study == "lumbar_spine_mri"
    assert row.knowledge == knowledge.version
    shown = {(suggestion["uuid"], suggestion.get("isRecommended", False)) for suggestion in card["suggestions"]}
    found = rows(store, SUGGESTIONS)
    assert {(row.uuid, row.recommended) for row in found} == shown
    assert sorted(row.kind for row in found) == ["add", "replace"]
    assert {row.card for row in found} == {card["uuid"]}


def test_suggestions_of_the_epic_dialect_are_kept(store, store_url, knowledge, tmp_path):
    """The suggestions that the client was shown are kept, each create and delete by its kind."""
    file = tmp_path / "site.toml"
    table = "[cards.lumbosacral-plexus-mri.propose.plexus_mri_without_and_with_contrast]"
    for text in ("", f'{table}\nsystem = "urn:site"\ncode = "PLEX"\ndisplay = "MR plexus"'):
        file.write_text(f'dialect = "epic"\n{text}', encoding="utf-8")
        with serving_with(store_url, knowledge, site_file=str(file)) as (client, parts):
            [card] = client.cards(call())
            parts.recorder.flush()
        kept = [(row.uuid, row.kind, row.recommended) for row in rows(store, SUGGESTIONS)]
        shown = card.get("suggestions", [])
        kinds = ("add", "delete") if text else ()
        assert sorted(kept) == sorted(
            (suggestion["uuid"], kind, "isRecommended" in suggestion)
            for suggestion, kind in zip(shown, kinds, strict=True)
        )
    assert len(rows(store, CARDS)) == 2


DECIDED = {
    "article": ("lumbar_spine_mri", "card", "warning"),
    "no-cancer": ("lumbar_spine_mri", "silent", "no_history"),
    "unwatched-order": ("", "silent", "nothing_watched"),
    "nothing-prefetched": ("", "refused", "record"),
}


@pytest.mark.parametrize("name", DECIDED)
def test_each_decision_is_counted(name, store, store_url, knowledge):
    """Cards, silences and refusals are counted by day, study and reason, however many calls there were."""
    with serving_with(store_url, knowledge) as (client, parts):
        for _ in range(3):
            client.post(call(name))
            parts.recorder.flush()
    [row] = rows(store, DECISIONS)
    assert (row.study, row.outcome, row.reason) == DECIDED[name]
    assert (row.day, row.service, row.client, row.knowledge, row.count) == (TODAY, SERVICE, "", knowledge.version, 3)
    assert row.incomplete == (name == "nothing-prefetched")
    assert len(rows(store, CARDS)) == (3 if name == "article" else 0)


def test_shadow_mode_shows_nothing_and_counts(store, store_url, knowledge, tmp_path):
    """In shadow mode decisions are counted as such, and no card is kept, for none was shown."""
    file = tmp_path / "site.toml"
    file.write_text(f"cards.lumbosacral-plexus-mri.shadow.until = {TODAY + timedelta(days=1)}", encoding="utf-8")
    with serving_with(store_url, knowledge, site_file=str(file)) as (client, _):
        assert client.cards(call()) == []
    assert [(row.outcome, row.reason) for row in rows(store, DECISIONS)] == [("shadow", "warning")]
    assert rows(store, CARDS) == []


def test_an_odd_body_is_counted_as_nothing(store, store_url, knowledge):
    """What is no call has decided nothing."""
    with serving_with(store_url, knowledge) as (client, _):
        assert client.post({}).status_code == 422
    assert rows(store, DECISIONS) == []


def test_patients_are_told_apart_without_being_known(store, store_url, knowledge):
    """With a key the same patient has the same name, another patient another, and neither is the patient's id."""
    with serving_with(store_url, knowledge, patient_key=KEY) as (client, _):
        for patient in ("canary-1", "canary-1", "canary-2"):
            client.cards(of_patient(patient))
    names = [row.patient for row in rows(store, CARDS)]
    assert len(set(names)) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", name) for name in names)


def of_patient(patient):
    """Return a call about a patient whose id, name and texts are canaries."""
    text = json.dumps(call(userId=f"Practitioner/{uuid4()}"))
    return json.loads(text.replace(call()["context"]["patientId"], patient))


def test_nothing_of_the_patient_is_in_the_file(knowledge, tmp_path):
    """No id, text or note of a call is anywhere in the database."""
    store = Store(url := f"sqlite:///{tmp_path}/store.sqlite3")
    migrate(store)
    body = of_patient("canary-patient")
    for entry in body["context"]["draftOrders"]["entry"]:
        entry["resource"] |= {"id": "canary-order", "note": [{"text": "canary-note"}]}
    body["context"]["selections"] = ["ServiceRequest/canary-order"]
    with serving_with(url, knowledge, patient_key=KEY) as (client, _):
        assert client.cards(body)
    assert len(rows(store, CARDS)) == 1
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"lumbar_spine_mri" in held
    assert b"canary" not in held
