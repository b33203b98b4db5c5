"""A table that contradicts itself or another is refused with one sentence: the file, the line and what to mend."""

import csv
import io
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import cds_service.cards
from cds_service.decision import rules
from cds_service.errors import KnowledgeError
from cds_service.knowledge import CARD, load
from cds_service.knowledge.card_files import TABLES
from cds_service.model import DECIDED_FIRST, DISMISSED_BEFORE, RESERVATION_REASONS, SILENCE_REASONS
from tests.contract.test_knowledge_refused import edited, first, read, replaced

CARDS = Path(cds_service.cards.__file__).parent
NAMES = ["systems.csv", *(f"{CARD}/{table}.csv" for table in TABLES)]
ABDOMEN = "valuesets/body-site-abdomen.json"
SILENCES = (
    *("rule_off", "selection_not_found", "nothing_watched", "not_a_draft", "already_drafted", "plexus_mri_done"),
    *("emergency", "acute_trauma", "upper_limb_only", "plexus_mri_on_record", "alternative_with_device"),
    *("typed_history_only", "not_readable", "no_history", "remote_without_presentation", "dismissed_before"),
)

MEANINGS = {
    "order": ("order-lumbar-spine-mri,order,lumbar_spine_mri", "arm", "fdg_pet_ct not_watched"),
    "malignancy": ("malignancy-remote,malignancy,remote", "pelvis", "plexus_adjacent unspecified remote excluded"),
    "radiotherapy": ("radiotherapy-pelvis,radiotherapy,pelvis", "unspecified", "pelvis lumbosacral_spine not_delivery"),
    "radiation_history": ("radiotherapy-history,radiation_history,not_in_code", "not_delivery", "pelvis not_in_code"),
    "body_site": ("body-site-pelvis,body_site,pelvis", "not_in_code", "pelvis uncertain remote"),
    "presentation": ("presentation-neither,presentation,neither", "none", "specific compatible neither"),
    "emergency": ("emergency-sphincter,emergency,sphincter", "acute", "cord_or_cauda_equina sphincter"),
    "trauma": ("acute-trauma,trauma,acute", "arm", "acute"),
    "upper_limb": ("upper-limb,upper_limb,arm", "leg", "arm"),
    "device": ("implant-cardiac,device,cardiac_device", "renal", "cardiac_device other_implant removed"),
    "contrast": ("contrast-pregnancy,contrast,pregnancy", "egfr", "gadolinium_allergy renal pregnancy"),
    "spine": ("spine-tumor,spine,tumor", "arm", "disease tumor"),
    "other_explanation": ("other-explanation-neurologic,other_explanation,neurologic", "acute", "neurologic"),
    "observation": ("egfr,observation,egfr", "renal", "egfr"),
}
"""Of each family a row, a meaning that it cannot have, and some that it can."""

TOPICS = {
    "history,malignancy,": ("cancer", "malignancy radiotherapy"),
    "plexopathy,specific,": ("compatible", "specific"),
    "presentation,specific,": ("neither", "specific compatible"),
    "emergency,sphincter,": ("acute", "cord_or_cauda_equina sphincter"),
    "trauma,acute,": ("fall", "acute"),
    "upper_limb,arm,": ("leg", "arm"),
    "spine,disc,": ("disease", "disc stenosis metastasis bilateral"),
    "device,cardiac_device,": ("removed", "cardiac_device mri_contraindicated"),
    "contrast,acute_renal,": ("egfr", "gadolinium_allergy renal pregnancy"),
}
"""Rows of reason_words.csv, by how each begins; what it cannot mean, and some that it can."""
CUES = ("denial", "denied_after", "question", "doubt", "termination", "past", "chronic", "family", "idiom")
"""Cues of reason_words.csv that the reading asks for; of each one row or more."""


@pytest.fixture
def cards(tmp_path) -> Path:
    """Give a copy of cards/ to be damaged."""
    return Path(shutil.copytree(CARDS, tmp_path / "cards"))


def line_of(name: str, text: str) -> int:
    """Return the line of a table on which a text first stands."""
    lines = (CARDS / CARD / name).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def starting(name: str, text: str) -> int:
    """Return the first line of a table that begins with a text."""
    lines = (CARDS / CARD / name).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(text))


def lines(name: str, change: Callable[[list[str]], object]) -> Callable[[Path], None]:
    """Return a damage: a table with its lines changed."""

    def damage(cards: Path) -> None:
        file = cards / CARD / name
        kept = file.read_text(encoding="utf-8").splitlines()
        change(kept)
        file.write_text("\n".join([*kept, ""]), encoding="utf-8")

    return damage


def more(name: str, row: str) -> Callable[[Path], None]:
    """Return a damage: a table with one row more."""
    return lines(name, lambda kept: kept.append(row))


def cut(start: str) -> Callable[[list[str]], None]:
    """Return a change: the lines that begin so are cut."""
    return lambda kept: kept.__setitem__(slice(None), [line for line in kept if not line.startswith(f"{start},")])


def without(include: dict, url: str) -> None:
    """Give an include another extension in the place of one."""
    next(extension for extension in include["extension"] if extension["url"] == url).update(url="urn:x")


ARM = f"reason_words.csv: line {line_of('reason_words.csv', ',,Arm symptoms')}"
REFUSED = {
    **{
        f"no silence {reason}": (lines("silences.csv", cut(reason)), "silences.csv: no row for", reason)
        for reason in SILENCES
    },
    **{
        f"{family} that means {wrong}": (
            replaced("valuesets.csv", row, f"{row.rpartition(',')[0]},{wrong}"),
            f"valuesets.csv: line {line_of('valuesets.csv', row)}: means must be",
            allowed,
        )
        for family, (row, wrong, allowed) in MEANINGS.items()
    },
    **{
        f"reason of {row.partition(',')[0]} that says {wrong}": (
            replaced("reason_words.csv", f"\n{row}", f"\n{row.partition(',')[0]},{wrong},"),
            f"reason_words.csv: line {starting('reason_words.csv', row)}: means must be",
            allowed,
        )
        for row, (wrong, allowed) in TOPICS.items()
    },
    **{
        f"no cue {cue}": (lines("reason_words.csv", cut(f"cue,{cue}")), "reason_words.csv: no cue", cue) for cue in CUES
    },
    "cue that is not read": (more("reason_words.csv", "cue,guess,maybe,,"), "reason_words.csv: guess", "no cue read"),
    "list of a part of the body": (
        lines("reason_words.csv", cut("list,seat")), "reason_words.csv: no list", "seat"),
    "list that must not stand beside a row": (
        more("reason_words.csv", "trauma,acute,blow,not knee,Injury by force"), "reason_words.csv: no list", "knee"),
    "list that a phrase has in it": (
        more("reason_words.csv", "trauma,acute,blow to <knee>,,Injury by force"), "reason_words.csv: no list", "knee"),
    "silence twice": (more("silences.csv", "emergency,x"), "silences.csv: line {last}", "emergency already"),
    "rule_off later": (
        lines("silences.csv", lambda kept: kept.insert(10, kept.pop(1))),
        "silences.csv: line 11", "rule_off decided before the record is read line 2"),
    "emergency before what is decided first": (
        lines("silences.csv", lambda kept: kept.insert(5, kept.pop(7))),
        "silences.csv: line 7", "already_drafted decided before the record is read line 6"),
    "dismissed_before earlier": (
        lines("silences.csv", lambda kept: kept.insert(-1, kept.pop())),
        "silences.csv: line 18", "dismissed_before decided after all others last line 19"),
    "reservation twice": (
        lines("reservations.csv", lambda kept: kept.append(kept[1])),
        "reservations.csv: line {last}", "device already"),
    "reservation missing": (lines("reservations.csv", cut("cord_sign")), "reservations.csv: no row for", "cord_sign"),
    "reservation of a study that is not watched": (
        replaced("reservations.csv", "spine_named,lumbar_spine_mri", "spine_named,lumbar_spine_ct"),
        f"reservations.csv: line {line_of('reservations.csv', 'spine_named')}", "lumbar_spine_ct watched_orders.csv"),
    "reservation that strengthens": (
        replaced("reservations.csv", "plexus_mri_without_contrast,info", "plexus_mri_without_contrast,warning"),
        "reservations.csv: line 4: at_most", "info"),
    "strength row twice": (
        more("decision_table.csv", "lumbar_spine_mri,in_reach,none,warning,"),
        "decision_table.csv: line {last}", "lumbar_spine_mri in_reach none already"),
    "strength cell within any": (
        more("decision_table.csv", "plexus_mri_without_contrast,in_reach,none,info,"),
        "decision_table.csv: line {last}", "plexus_mri_without_contrast in_reach none already"),
    "any over a strength cell": (
        more("decision_table.csv", "lumbar_spine_mri,any,any,info,"),
        "decision_table.csv: line {last}", "lumbar_spine_mri any already"),
    "strength of a study that is not watched": (
        more("decision_table.csv", "not_watched,any,any,info,"),
        "decision_table.csv: line {last}", "not_watched watched_orders.csv"),
    "strength recommends what is not offered": (
        replaced("decision_table.csv", "warning,replace", "warning,add_first"),
        "decision_table.csv: line 2", "lumbar_spine_mri add_first watched_orders.csv"),
    "strength recommends on an info card": (
        replaced("decision_table.csv", "in_reach,compatible,info,", "in_reach,compatible,info,replace"),
        "decision_table.csv: line 3", "lumbar_spine_mri replace info"),
    "strength recommends for a remote history": (
        replaced("decision_table.csv", "remote_only,specific,warning,", "remote_only,specific,warning,replace"),
        "decision_table.csv: line 5", "lumbar_spine_mri replace remote_only"),
    "same_as of an unknown study": (
        replaced("watched_orders.csv", "plexus_mri plexus", "plexus_ct plexus"),
        "watched_orders.csv: line 2", "same_as names plexus_ct order"),
    "same_as of no study": (
        replaced("watched_orders.csv", "plexus_mri plexus", "not_watched plexus"),
        "watched_orders.csv: line 2", "same_as names not_watched order"),
    "watched study that no code means": (
        replaced("watched_orders.csv", "fdg_pet_ct,", "fdg_pet_mr,"),
        "watched_orders.csv: line 4", "study names fdg_pet_mr order"),
    "watched study twice": (
        lines("watched_orders.csv", lambda kept: kept.append(kept[1])),
        "watched_orders.csv: line {last}", "lumbar_spine_mri already"),
    "limit twice": (
        more("lookback_windows.csv", "trauma,9,days,x"), "lookback_windows.csv: line {last}",
        "trauma already"),
    "reason without our words": (
        replaced("reason_words.csv", ",,Arm symptoms", ",,"),
        ARM, "wording empty"),
    "reason with 61 characters for it": (
        replaced("reason_words.csv", ",,Arm symptoms", f",,{'x' * 61}"), ARM, "wording 60"),
    "status with 61 characters for it": (
        replaced("statuses.csv", ",in remission", f",{'x' * 61}"),
        f"statuses.csv: line {line_of('statuses.csv', ',in remission')}", "wording 60"),
    "value set with 61 characters for a code": (
        edited(ABDOMEN, lambda v: first(v)["extension"][0].update(valueString="x" * 61)),
        f"{ABDOMEN}: include 1", "wording 61 60"),
    "include without a wording": (
        edited(ABDOMEN, lambda v: without(first(v), "urn:plexus-cds:wording")),
        f"{ABDOMEN}: include 1", "urn:plexus-cds:wording"),
    "include without a provenance": (
        edited(ABDOMEN, lambda v: without(v["compose"]["include"][1], "urn:plexus-cds:provenance")),
        f"{ABDOMEN}: include 2", "urn:plexus-cds:provenance"),
    "metastatic body site": (
        replaced("valuesets.csv", "body_site,pelvis,", "body_site,pelvis,yes"),
        f"valuesets.csv: line {line_of('valuesets.csv', 'body_site,pelvis')}", "metastatic malignancy body_site"),
    "value set listed twice": (
        more("valuesets.csv", "egfr,observation,egfr,"), "valuesets.csv: line {last}", "egfr already"),
    "family without value sets": (
        replaced("valuesets.csv", "acute-trauma,trauma,acute", "acute-trauma,upper_limb,arm"),
        "valuesets.csv: no row for", "trauma"),
    "rating of another category": (
        replaced("ratings.csv", ",May Be Appropriate", ",Rarely Appropriate"),
        "ratings.csv: line 3", "category Usually Appropriate May Be Appropriate Usually Not Appropriate"),
    "study rated twice": (
        lines("ratings.csv", lambda kept: kept.append(kept[2])), "ratings.csv: line {last}", "fdg_pet_ct already"),
    "rating that cites nothing of the plan": (
        replaced("ratings.csv", "acr-plexopathy-2021", "acr-2031"),
        "ratings.csv: line 2", "acr-2031 plan_definition.json"),
    "clinical status that does not count": (
        replaced("statuses.csv", "resolved,yes", "resolved,no"),
        f"statuses.csv: line {line_of('statuses.csv', 'resolved,yes')}", "counts Condition.clinicalStatus active"),
    "status twice": (
        more("statuses.csv", "Procedure.status,not-done,yes,,"),
        "statuses.csv: line {last}", "Procedure.status not-done already"),
    "text with an unquoted comma": (
        replaced("silences.csv", "The site has switched", "The site, has switched"), "silences.csv: line 2", "cells"),
    "signature without a date": (more("signatures.csv", "x,y,"), "signatures.csv: line {last}", "date empty"),
    "signature parted by semicolons": (
        lines("signatures.csv", lambda kept: kept.__setitem__(slice(None), ["version;reviewer;date", "x;y;z"])),
        "signatures.csv: line 1", "semicolon"),
    "systems.csv without a column": (
        lambda cards: (cards / "systems.csv").write_text("canonical,note\nx,y\n"),
        "systems.csv: line 2", "also_seen_as is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "head", "names"), REFUSED.values(), ids=REFUSED)
def test_refused(damage, head, names, cards):
    """A sentence of the refusal begins with the file and the line that are wrong, and names what to mend."""
    damage(cards)
    damaged = cards / CARD / head.partition(":")[0]
    last = len(damaged.read_text(encoding="utf-8").splitlines()) if damaged.is_file() else 0
    message = refusal(cards)
    own = [sentence for sentence in message if re.match(rf"{re.escape(head.format(last=last))}\b", sentence)]
    assert any(all(name in sentence for name in names.split()) for sentence in own), message


def test_all_is_said(cards):
    """Two faults are reported at once, a sentence each."""
    replaced("ratings.csv", "-2021", "-2031")(cards)
    replaced("statuses.csv", "resolved,yes", "resolved,no")(cards)
    assert [sentence.partition(":")[0] for sentence in refusal(cards)] == ["statuses.csv", "ratings.csv"]


@pytest.mark.parametrize("name", NAMES)
def test_semicolons(name, cards):
    """A table whose cells are parted by semicolons is refused with a sentence that names the separator."""
    file = cards / name
    rows, text = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8")))), io.StringIO()
    csv.writer(text, delimiter=";").writerows(rows)
    file.write_text(text.getvalue(), encoding="utf-8")
    assert refusal(cards) == [f"{file.name}: line 1: the separator is a semicolon (;) and must be a comma (,)"]


@pytest.mark.parametrize("name", [*NAMES, f"{CARD}/card.json"])
def test_spreadsheet(name, cards):
    """A byte-order mark and the line ends of Windows change nothing but the version of the knowledge."""
    plain, file = load(cards), cards / name
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    saved = load(cards)
    assert saved.version != plain.version
    assert replace(saved, version=plain.version) == plain


def refusal(cards: Path) -> list[str]:
    """Return the sentences with which knowledge is refused."""
    with pytest.raises(KnowledgeError) as refused:
        read(cards)
    return str(refused.value).splitlines()


def test_each_reason_has_its_rule():
    """Each silence that needs the record, and each reservation, has the one rule that says when it holds."""
    assert {*rules.SILENCES} == {*SILENCE_REASONS} - {*DECIDED_FIRST, DISMISSED_BEFORE}
    assert {*rules.RESERVATIONS} == {*RESERVATION_REASONS}
