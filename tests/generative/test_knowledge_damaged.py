"""Whatever is of a wrong type or missing in the knowledge, a sentence says so: never a traceback."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from importlib.resources import files
from itertools import cycle, product

import pytest

from cds_service import knowledge
from cds_service.errors import KnowledgeError
from cds_service.fhir.validation import check_knowledge
from cds_service.knowledge import CARD, validation
from cds_service.knowledge.card_files import TABLES, CardFiles, read_card_files
from tests.support.profiles import share

WRONG = (None, 7, True, "", "x", "$", "[", "\ud800", [], [None], ["x"], [{}], {}, {"x": None}, 10**30)
CELLS = ("", "x", "[", "$", "*", "not ", "\0", "-1", "9" * 5000, "any", None, ["x"])
FIRST = 2
"""Members of a list that are damaged: the others are like them."""


@pytest.fixture(scope="module", name="small")
def a_small_folder() -> CardFiles:
    """Return the package's knowledge with the least that each value set can hold, so that reading it is quick."""
    folder = read_card_files(files("cds_service.cards"), CARD)
    proposed = {coding["code"] for study in folder.card["proposals"].values() for coding in study["code"]["coding"]}
    for value_set in folder.value_sets.values():
        kept = {}
        for include in value_set["compose"]["include"]:
            codes = {concept["code"] for concept in include.get("concept", [])} & proposed
            kind = "concept" if "concept" in include else "filter"
            kept.setdefault(min(codes, default=f"{kind} {include['system']}"), include)
        value_set["compose"]["include"] = list(kept.values())
    folder.card["summary"]["plexopathy"]["named_by"] = [
        "Lumbosacral plexopathy"
    ]  # the signs of the others are left out
    return folder


@pytest.fixture(name="is_refused")
def a_reading(small, monkeypatch):
    """Give a function that reads a folder as at the start; what is not damaged is held against its schema once."""
    whole = {id(part) for part in (small.card, small.plan, *small.tables.values(), *small.value_sets.values())}
    faults_by_damage, first_fault = {}, validation.first_fault

    def once(name, instance):
        part = next(iter(instance.values()), None) if name == "tables" else instance
        if id(part) not in whole:
            return first_fault(name, instance)
        if id(part) not in faults_by_damage:
            faults_by_damage[id(part)] = first_fault(name, instance)
        return faults_by_damage[id(part)]

    def is_refused(folder):
        monkeypatch.setattr(knowledge, "read_card_files", lambda *_: folder)
        try:
            check_knowledge(knowledge.load())
        except KnowledgeError as refusal:
            return "Error(" not in str(refusal) or pytest.fail(f"no sentence: {refusal}")
        return False

    monkeypatch.setattr(validation, "first_fault", once)
    return is_refused


def places(value, path=()) -> Iterator[tuple]:
    """Yield the path to each value in a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:FIRST]) if isinstance(value, list) else ()
    for name, member in inner:
        yield from places(member, (*path, name))


def damaged(value, path: tuple, wrong: object):
    """Return a JSON value with another one at a path."""
    if not path:
        return wrong
    copy = deepcopy(value)
    parent = copy
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = wrong
    return copy


def test_unchanged(small, is_refused):
    """The small folder is good knowledge, so that a refusal is for the damage."""
    assert not is_refused(small)


@pytest.mark.parametrize("part", ["card", "plan", "order-plexus-mri-with-contrast", "radiotherapy-pelvis"])
def test_a_value_of_a_wrong_type(part, small, is_refused):
    """A JSON file with a wrong value at any level is taken or refused with a sentence; as a whole it is refused."""
    whole = small.value_sets.get(part) or getattr(small, part)
    wrong = cycle(WRONG)
    inner = share((path, next(wrong)) for path in places(whole) if len(path) >= FIRST for _ in range(2))
    outer = [(path, value) for path in places(whole) if len(path) < FIRST for value in WRONG]
    for path, value in outer + inner:
        other = damaged(whole, path, value)
        sets = small.value_sets | {part: other}
        folder = replace(small, value_sets=sets) if part in small.value_sets else replace(small, **{part: other})
        assert is_refused(folder) or path, json.dumps(value)


@pytest.mark.parametrize("table", TABLES)
def test_a_cell_of_a_wrong_kind(table, small, is_refused):
    """A table with a wrong cell, or without a column, is taken or refused with a sentence."""
    rows = small.tables[table]
    for name, cell in share(product(rows[0], CELLS)):
        refused = is_refused(replace(small, tables={**small.tables, table: [*rows[:-1], {**rows[-1], name: cell}]}))
        assert refused or isinstance(cell, str)
    for name in rows[0]:
        cut = [{column: cell for column, cell in row.items() if column != name} for row in rows]
        is_refused(replace(small, tables={**small.tables, table: cut}))
