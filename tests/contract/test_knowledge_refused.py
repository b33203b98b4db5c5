"""Knowledge that contradicts itself stops the start, with a text that names the file and what to mend."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import cds_service.cards
from cds_service.errors import KnowledgeError
from cds_service.fhir.validation import check_knowledge
from cds_service.knowledge import CARD, load

PLEXUS = "valuesets/order-plexus-mri-with-contrast.json"
LUMBAR = "valuesets/order-lumbar-spine-mri.json"
PLAN = "plan_definition.json"
PATTERNS = "valuesets/radiotherapy-pelvis.json"
STUDY = "plexus_mri_without_and_with_contrast"


@pytest.fixture
def cards(tmp_path) -> Path:
    """Give a copy of cards/ to be damaged."""
    return Path(shutil.copytree(Path(cds_service.cards.__file__).parent, tmp_path / "cards"))


def read(cards: Path) -> None:
    """Read knowledge as the service does at its start."""
    check_knowledge(load(cards))


def edited(name: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Return a damage: a JSON file of the card, changed."""

    def damage(cards: Path) -> None:
        file = cards / CARD / name
        content = json.loads(file.read_text(encoding="utf-8"))
        change(content)
        file.write_text(json.dumps(content), encoding="utf-8")

    return damage


def replaced(name: str, old: str, new: str, count: int = 1) -> Callable[[Path], None]:
    """Return a damage: a text of a file of the card, replaced by another where it first stands."""

    def damage(cards: Path) -> None:
        file = cards / CARD / name
        text = file.read_text(encoding="utf-8")
        assert old in text, "the damage itself is out of date"
        file.write_text(text.replace(old, new, count), encoding="utf-8")

    return damage


def removed(name: str) -> Callable[[Path], None]:
    """Return a damage: a file that is missing."""
    return lambda cards: (cards / name).unlink()


def renamed(name: str, other: str) -> Callable[[Path], None]:
    """Return a damage: a copy of a file under another name, with the same content but for its id."""

    def damage(cards: Path) -> None:
        text = (cards / CARD / name).read_text(encoding="utf-8")
        own_id = Path(name).stem
        file = cards / CARD / "valuesets" / f"{other}.json"
        file.write_text(text.replace(f'"id": "{own_id}"', f'"id": "{other}"'), encoding="utf-8")

    return damage


def both(*damages: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return a damage that is several: what one of them alone would bring to light is mended by another."""
    return lambda cards: [damage(cards) for damage in damages] and None


def first(value_set: dict) -> dict:
    """Return the first include of a value set."""
    return value_set["compose"]["include"][0]


def with_code(name: str, system: str, code: str) -> Callable[[Path], None]:
    """Return a damage: a value set that has one code more."""

    def change(value_set: dict) -> None:
        concept = {"code": code, "display": "what another set has"}
        more = {"extension": first(value_set)["extension"], "system": system, "concept": [concept]}
        value_set["compose"]["include"].append(more)

    return edited(f"valuesets/{name}.json", change)


def with_filter(value_set: dict) -> dict:
    """Return the first filter of a value set."""
    return next(include["filter"][0] for include in value_set["compose"]["include"] if "filter" in include)


def with_pattern(pattern: str) -> Callable[[Path], None]:
    """Return a damage: a value set with another regular expression."""
    return edited(PATTERNS, lambda v: with_filter(v).update(value=pattern))


def without_system(family: str, system: str) -> Callable[[Path], None]:
    """Return a damage: a family has no code of a system any more; a value set of none but those is taken out."""

    def damage(cards: Path) -> None:
        table = cards / CARD / "valuesets.csv"
        kept = []
        for line in table.read_text(encoding="utf-8").splitlines(keepends=True):
            name, of_family, *_ = line.split(",")
            file = cards / CARD / "valuesets" / f"{name}.json"
            value_set = json.loads(file.read_text(encoding="utf-8")) if of_family == family else {"compose": {}}
            includes = value_set["compose"].get("include", [])
            others = [include for include in includes if include["system"] != system]
            if includes and not others:
                file.unlink()
                continue
            kept.append(line)
            if includes:
                file.write_text(json.dumps(value_set | {"compose": {"include": others}}), encoding="utf-8")
        table.write_text("".join(kept), encoding="utf-8")

    return damage


def system_row(canonical: str, also_seen_as: str, role: str) -> Callable[[Path], None]:
    """Return a damage: a code system more in systems.csv."""

    def damage(cards: Path) -> None:
        with (cards / "systems.csv").open("a", encoding="utf-8") as file:
            file.write(f"{canonical},{also_seen_as},{role},\n")

    return damage


SCT = "http://snomed.info/sct"
WHO = "http://hl7.org/fhir/sid/icd-10"
NATIONAL = "http://hl7.org/fhir/sid/icd-10-am"
ICD_O = "http://terminology.hl7.org/CodeSystem/iccc-3"
BRAKELESS = "https://ehr.example.org/another-edition"
BRAKES = ("emergency", "trauma", "upper_limb", "device", "contrast", "spine", "other_explanation")
CARD_JSON = [
    ("a member missing", lambda c: c.pop("source"), "source"),
    ("a member too many", lambda c: c.update(x=1), ""),
    ("a wrong type", lambda c: c.update(detail="x"), "detail"),
    ("a text missing", lambda c: c["durations"].pop("years"), "durations.years"),
    ("no override reasons", lambda c: c.update(override_reasons=[]), "override_reasons"),
    ("a topic that Epic refuses", lambda c: c["source"]["topic"].update(code="a-b"), "source.topic.code"),
    ("unknown placeholder in the detail", lambda c: c["detail"].append("$organ"), "$organ detail"),
    ("unknown placeholder in the summary", lambda c: c["orders"]["fdg_pet_ct"].update(info="$organ"), "$organ orders"),
    ("unknown placeholder in a link", lambda c: c["links"][1].update(url="$site/x"), "$site links"),
    ("unknown placeholder in a finding", lambda c: c["findings"]["malignancy"].update(since=", $day"), "$day findings"),
    ("a placeholder that another text has", lambda c: c["findings"]["malignancy"].update(since=", $site"),
     "$site findings"),
    ("unknown placeholder in a suggestion", lambda c: c["suggestions"]["add"].update(label="$organ"),
     "$organ suggestions"),
    ("unknown placeholder in a duration", lambda c: c["durations"].update(years="$n years"), "$n durations"),
    ("unknown placeholder in what is missing", lambda c: c["incomplete"].update(skipped="$n"), "$n incomplete"),
    ("a dollar that is no placeholder", lambda c: c["detail"].append("5$ more"), "detail"),
    ("a summary of 140 characters", lambda c: c["orders"]["fdg_pet_ct"].update(info="x" * 140), "fdg_pet_ct 140 139"),
    ("a summary too long when filled",
     lambda c: c["orders"]["fdg_pet_ct"].update(info="x" * 100 + "$proposed"), "fdg_pet_ct 139"),
    ("a proposal outside its value sets",
     lambda c: c["proposals"][STUDY]["code"]["coding"][1].update(code="443078009"), f"{STUDY} 443078009"),
    ("another name of ours for a proposal",
     lambda c: c["proposals"][STUDY]["code"]["coding"][0].update(display="MRI"), f"display plexus-mri text {STUDY}"),
    ("a study without contrast that is not proposed", lambda c: c.update(without_contrast="x"), "without contrast"),
    ("a rated study called unrated", lambda c: c["proposals"][STUDY].update(unrated=True), f"{STUDY} unrated"),
    ("a plexopathy named by a wording that no sign has",
     lambda c: c["summary"]["plexopathy"]["named_by"].append("Plexitis"), "Plexitis specific sign"),
    ("a plexopathy that typed words name and the summary does not",
     lambda c: c["summary"]["plexopathy"]["named_by"].remove("Lumbosacral plexopathy"), "reason_words.csv plexopathy"),
    ("a last summary too long for some sign",
     lambda c: c["orders"]["fdg_pet_ct"].update(warning=["$sign, $cancer and more. ACR: $proposed"]),
     "warning summary fdg_pet_ct 139"),
    ("unknown placeholder in a note", lambda c: c["notes"].update(iodine="$dye"), "$dye notes"),
]  # fmt: skip
REFUSED = {
    **{f"card.json, {name}": (edited("card.json", change), f"card.json {says}") for name, change, says in CARD_JSON},
    "rating without a value set": (replaced("ratings.csv", "order-fdg-pet-ct", "order-pet"), "ratings.csv fdg_pet_ct"),
    "proposal without a rating": (
        both(
            edited("card.json", lambda c: c["proposals"][STUDY]["value_sets"].append(Path(PLEXUS).stem)),
            replaced("ratings.csv", STUDY, "plexus_mri"),
        ),
        f"ratings.csv {STUDY}",
    ),
    "proposal that card.json lacks": (
        replaced("watched_orders.csv", STUDY, "plexus_ct"), "watched_orders.csv plexus_ct card.json"),
    "watched order that card.json lacks": (
        replaced("watched_orders.csv", "lumbar_spine_mri,", "sacral_mri,"), "card.json sacral_mri"),
    "suggestion that card.json lacks": (
        replaced("watched_orders.csv", "replace add", "replace delete"), "watched_orders.csv delete card.json"),
    "value set without includes": (edited(PLEXUS, lambda v: v["compose"].update(include=[])), f"{PLEXUS} include"),
    "value set without codes": (edited(PLEXUS, lambda v: first(v).update(concept=[])), f"{PLEXUS} concept"),
    "value set without a purpose": (edited(PLEXUS, lambda v: v.pop("purpose")), f"{PLEXUS} purpose"),
    "value set without an id": (edited(PLEXUS, lambda v: v.pop("id")), f"{Path(PLEXUS).name} id"),
    "value set that is null": (lambda cards: (cards / CARD / LUMBAR).write_text("null"), Path(LUMBAR).name),
    "order code in two sets": (
        with_code("order-other-imaging", "http://loinc.org", "24968-0"),
        "24968-0 order-lumbar-spine-mri order-other-imaging"),
    "malignancy that is excluded": (
        with_code("malignancy-excluded", SCT, "399068003"), "399068003 malignancy-plexus-adjacent malignancy-excluded"),
    **{
        f"no {family} of {system.rpartition('/')[2]}, in which a malignancy counts": (
            without_system(family, system), f"{system} none among {family}; add take out its malignancies")
        for family in BRAKES
        for system in (SCT, "http://hl7.org/fhir/sid/icd-9-cm", WHO, "http://hl7.org/fhir/sid/icd-10-cm")
    },
    "malignancies of a system without brakes": (
        both(system_row(BRAKELESS, "", ""), with_code("malignancy-remote", BRAKELESS, "C50")),
        " ".join((BRAKELESS, *BRAKES))),
    "malignancies of a registry that has no role": (
        both(system_row(BRAKELESS, "", ""), with_code("malignancy-remote", BRAKELESS, "8500/3")),
        f"{BRAKELESS} emergency"),
    "a role that systems do not have": (system_row(ICD_O, "", "register"), "systems.csv role registry"),
    "body site in two fields": (
        with_code("body-site-remote", SCT, "41216001"), "41216001 body-site-pelvis body-site-remote"),
    "radiotherapy that is delivered and planned": (
        with_code("radiotherapy-not-delivery", SCT, "1217123003"),
        "1217123003 radiotherapy-site-not-in-code radiotherapy-not-delivery"),
    "value set that is not listed": (renamed(PLEXUS, "order-more"), "valuesets.csv order-more"),
    "value set that is listed only": (
        replaced("valuesets.csv", "body-site-remote,", "body-site-far,"),
        "valuesets.csv body-site-far body-site-remote"),
    "value set with another id than its file": (
        edited(PLEXUS, lambda v: v.update(id="order-plexus")), f"{PLEXUS} order-plexus"),
    "value set that means nothing": (
        replaced("valuesets.csv", "body_site,abdomen", "body_site,abdomenn"), "valuesets.csv abdomenn"),
    "filter of an unknown kind": (
        edited("valuesets/malignancy-remote.json", lambda v: with_filter(v).update(op="descendent-of")),
        "malignancy-remote filter"),
    "filter that is no pattern": (
        with_pattern("C[0-9"), f"{PATTERNS}: include no regular expression C[0-9"),
    "extension that is a text": (
        edited(PLEXUS, lambda v: first(v).update(extension=["x", "y"])), f"{PLEXUS} compose.include.0.extension.0"),
    "concept that is a code": (
        edited(PLEXUS, lambda v: first(v).update(concept=["30866-8"])), f"{PLEXUS} compose.include.0.concept.0"),
    "system that is a list": (
        edited(PLEXUS, lambda v: first(v).update(system=[SCT])), f"{PLEXUS} compose.include.0.system"),
    "summary of a link that is a number": (
        edited("card.json", lambda c: c["links"][0].update(label=7)), "card.json links.0.label"),
    "plan that is a list": (lambda cards: (cards / CARD / PLAN).write_text("[]"), PLAN),
    "plan without a version": (edited(PLAN, lambda p: p.pop("version")), f"{PLAN} version is missing"),
    "citation that is null": (
        edited(PLAN, lambda p: p["relatedArtifact"].insert(0, None)), f"{PLAN} relatedArtifact.0"),
    "trigger without a name": (
        edited(PLAN, lambda p: p["action"][0]["trigger"][0].pop("name")), f"{PLAN} action.0.trigger.0.name"),
    "limit beyond the calendar": (
        replaced("lookback_windows.csv", ",365,", ",9999999,"),
        "lookback_windows.csv presentation value"),
    "number that is none": (edited("card.json", lambda c: c.update(x=float("nan"))), "card.json NaN is not a"),
    "nesting": (lambda cards: (cards / CARD / PLAN).write_text("[" * 100_000), f"{PLAN} nested too deeply"),
    "missing folder": (lambda cards: shutil.rmtree(cards / CARD / "valuesets"), "folder valuesets is missing"),
    "missing table": (removed(f"{CARD}/ratings.csv"), "ratings.csv"),
    "missing card.json": (removed(f"{CARD}/card.json"), "card.json"),
    "missing plan": (removed(f"{CARD}/plan_definition.json"), "plan_definition.json"),
    "missing systems.csv": (removed("systems.csv"), "systems.csv"),
    "missing value set": (removed(f"{CARD}/{LUMBAR}"), "valuesets.csv order-lumbar-spine-mri"),
    "broken JSON": (replaced("card.json", "{", "{,"), "card.json"),
    "broken JSON of a value set": (replaced(LUMBAR, "}", ""), Path(LUMBAR).name),
    "broken CSV": (replaced("ratings.csv", '"Lumbosacral plexopathy,', '"Lumbosacral" plexopathy,'), "ratings.csv"),
    "quotes that end within a cell": (replaced("lookback_windows.csv", ",365,", ',"36"5,'), "lookback_windows.csv"),
    "row with a cell missing": (
        replaced("decision_table.csv", "in_reach,none,info,", "in_reach,none"),
        "decision_table.csv"),
    "missing column": (replaced("watched_orders.csv", "suggestions", "offers"), "watched_orders.csv suggestions"),
    "missing strength cell": (
        replaced("decision_table.csv", "lumbar_spine_mri,remote_only,none,info,\n", ""),
        "decision_table.csv lumbar_spine_mri remote_only none"),
    "unknown history": (
        replaced("decision_table.csv", "remote_only,none", "remotest,none"),
        "decision_table.csv remote_only"),
    "unknown indicator": (
        replaced("decision_table.csv", "warning,replace", "critical,replace"),
        "decision_table.csv critical"),
    "unknown presentation": (replaced("watched_orders.csv", ",specific", ",sure"), "watched_orders.csv sure"),
    "unknown recommendation": (
        replaced("decision_table.csv", "warning,replace", "warning,remove"),
        "decision_table.csv remove"),
    "limit that is no number": (
        replaced("lookback_windows.csv", ",365,", ",a year,"),
        "lookback_windows.csv presentation"),
    "limit that is missing": (
        replaced("lookback_windows.csv", "egfr_below,", "egfr_under,"),
        "lookback_windows.csv egfr_below"),
    "silence of an emergency without words": (
        replaced("silences.csv", "emergency,", "emergencies,"), "silences.csv emergency"),
    "silence without words": (replaced("silences.csv", "no_history", "history"), "silences.csv no_history"),
    "a list of words missing": (
        replaced("words.csv", "\nwithout_contrast,", "\nno_contrast,", -1), "words.csv without_contrast"),
    "status of an unknown element": (
        replaced("statuses.csv", "Procedure.status", "Procedure.state"), "statuses.csv Procedure.state"),
    "invalid FHIR in the plan": (
        edited(PLAN, lambda p: p.update(experimental="perhaps")), "lumbosacral-plexus-mri experimental"),
    "invalid FHIR in a value set": (
        edited(PLEXUS, lambda v: v.update(experimental="perhaps")), "order-plexus-mri-with-contrast experimental"),
    "invalid FHIR in a proposal": (
        edited("card.json", lambda c: c["proposals"][STUDY]["pama_rating"].update(valueCode=7)),
        "proposed order extension"),
}  # fmt: skip


def test_unchanged(cards):
    """The copy is good knowledge before it is damaged, so that a refusal is for the damage."""
    read(cards)


TAKEN = {
    "malignancies of a registry": both(
        system_row(ICD_O, "urn:oid:1.2.3.4.5", "registry"),
        with_code("malignancy-remote", ICD_O, "8500/3"),
        with_code("malignancy-remote", "urn:oid:1.2.3.4.5", "8140/3"),
    ),
    "excluded codes of a system without brakes": both(
        system_row(BRAKELESS, "", ""), with_code("malignancy-excluded", BRAKELESS, "C44")
    ),
}


@pytest.mark.parametrize("change", TAKEN.values(), ids=TAKEN)
def test_taken(change, cards):
    """A registry's tumors need no brakes, as they are never an order's reason, nor do codes that never count."""
    change(cards)
    read(cards)


@pytest.mark.parametrize(("damage", "names"), REFUSED.values(), ids=REFUSED)
def test_refused(damage, names, cards):
    """Knowledge with one thing wrong is refused with a text that names the file and the thing to mend."""
    damage(cards)
    with pytest.raises(KnowledgeError) as refusal:
        read(cards)
    assert [name for name in names.split() if name not in str(refusal.value)] == [], str(refusal.value)
