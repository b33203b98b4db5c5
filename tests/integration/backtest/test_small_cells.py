"""Small counts are hidden so that no sum of what is published tells one of them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.backtest.replay import CARDS, Joint
from cds_service.backtest.report import headline
from cds_service.backtest.scan import Plan, Variant
from cds_service.backtest.small_cells import protect
from cds_service.backtest.summary import poisson_interval, summarize, wilson_interval
from cds_service.backtest.tally import Tally
from cds_service.model import Site
from tests.support.profiles import examples

COUNTS = st.one_of(st.integers(0, 14), st.integers(0, 400))
TABLES = st.lists(COUNTS, max_size=8).map(lambda counts: dict(enumerate(counts)))


def possible(published: dict, total: int, cell) -> set[int]:
    """Return the values that a hidden cell may have: by the total, the shown cells, and that zeros are shown."""
    hidden = [name for name, count in published.items() if count is None]
    left = total - sum(count for count in published.values() if count is not None)
    if len(hidden) == len(published):
        return set(range(left + 1)) if len(hidden) > 1 else {left}
    assert cell in hidden
    return set(range(1, left - (len(hidden) - 1) + 1)) if len(hidden) > 1 else {left}


@examples(1000)
@given(TABLES, st.integers(3, 15))
def test_no_sum_tells_a_small_count(counts, at_least):
    """Each small count is hidden, and by total and shown cells it may be any of at_least - 1 values or more."""
    total = sum(counts.values())
    published = protect(counts, at_least)
    for cell, count in counts.items():
        if 0 < count < at_least <= total and len(counts) > 1:
            assert published[cell] is None
            assert len(possible(published, total, cell)) >= at_least - 1


@examples(1000)
@given(TABLES, st.integers(3, 15))
def test_no_more_is_hidden_than_needed(counts, at_least):
    """A table without small counts is shown as it is, and what is shown is true."""
    published = protect(counts, at_least)
    assert all(published[cell] in (None, count) for cell, count in counts.items())
    if all(count == 0 or count >= at_least for count in counts.values()):
        assert published == counts


@examples(1000)
@given(st.lists(st.tuples(COUNTS, st.integers(0, 30)), min_size=1, max_size=6))
def test_a_cap_does_not_tell(pairs):
    """Where the orders of a row are published, its hidden cards, and those without, still have several values."""
    cards = dict(enumerate(count for count, _ in pairs))
    orders = protect({cell: count + pairs[cell][1] for cell, count in cards.items()}, 11)
    published = protect(cards, 11, orders)
    hidden = [cell for cell, count in published.items() if count is None]
    for cell, count in published.items():
        if count is not None and orders[cell] is not None:
            assert not 0 < orders[cell] - count < 11
    if hidden and len(hidden) < len(cards):
        left = sum(cards[cell] for cell in hidden)
        for cell in hidden:
            most = {other: left if orders[other] is None else min(orders[other], left) for other in hidden}
            others = sum(most.values()) - most[cell]
            low, high = max(1, left - others), min(most[cell], left - len(hidden) + 1)
            assert high > low


RESULTS = ("info", "warning", "no_history", "emergency", "acute_trauma", "nothing_watched")


@examples(1000)
@given(st.lists(COUNTS, min_size=len(RESULTS), max_size=len(RESULTS)))
def test_no_sum_in_a_summary_tells_a_small_count(counts):
    """Of the results of all orders, their sums by level published beside them, no small one can be computed."""
    tally = Tally(11)
    for result, count in zip(RESULTS, counts, strict=True):
        tally.counts["result", result] = count
        if result != "nothing_watched":
            tally.counts["monitored_result", result] = count
            tally.counts["monitored",] += count
    tally.counts["cards",] = counts[0] + counts[1]
    summary = summarize(tally, Plan((Variant(Site()),), ()), [])
    names = dict(zip(RESULTS, counts, strict=True))
    published = {**summary["silences"], **{name: summary["cards"][name] for name in ("info", "warning")}}
    sums = {
        "cards": (summary["cards"]["total"], ["info", "warning"]),
        "monitored": (summary["monitored"], [name for name in RESULTS if name != "nothing_watched"]),
        "orders": (summary["orders"], list(RESULTS)),
    }
    for name, count in names.items():
        if 0 < count < 11:
            assert published.get(name) is None
            for total, parts in sums.values():
                if total is not None and name in parts:
                    known = [published.get(part) for part in parts if part != name]
                    assert None in known or total == count, (name, total, parts)
    for low, high in (("cards", "monitored"), ("monitored", "orders")):
        if sums[low][0] is not None and sums[high][0] is not None:
            outside = [part for part in sums[high][1] if part not in sums[low][1]]
            left = sums[high][0] - sums[low][0]
            unknown = [part for part in outside if published.get(part) is None and names[part]]
            known = sum(published.get(part) or 0 for part in outside)
            assert len(unknown) != 1 or not 0 < left - known < 11


def test_few_orders_that_are_not_monitored():
    """Beside a few orders that are not monitored the others are shown, and rather the sum of both is hidden."""
    tally = tally_of({JOINTS[0]: 100, JOINTS[3]: 900})
    tally.counts["result", "nothing_watched"] = 5
    summary = summarize(tally, Plan((Variant(Site()),), ()), [])
    assert (summary["orders"], summary["monitored"], summary["cards"]["total"]) == (None, 1000, 100)
    assert summary["silences"] == {"no_history": 900, "nothing_watched": None}


def test_first_sentence_where_few_orders_had_no_card():
    """Of 60 cards for 65 orders the first sentence does not say that they were few."""
    summary = summarize(tally_of({JOINTS[0]: 60, JOINTS[3]: 5}), Plan((Variant(Site()),), ()), [])
    assert summary["cards"]["total"] is None
    assert headline(summary).startswith(
        "The number of cards is hidden: only a few of the monitored orders had a card, or"
    )


def test_about_the_same_as_reported():
    """Half of the cards are not said to be about the same because they are close to another half."""
    tally = tally_of({JOINTS[0]: 100, JOINTS[3]: 100})
    for name, cards in (("without_undated", 50), ("without_same_day", 95), ("without_either", 45)):
        tally.counts["without", name, "warning"] = cards
    without = summarize(tally, Plan((Variant(Site()),), ()), [])["without"]
    assert without == {
        "without_undated": {"cards": 50, "is_about_the_same": False},
        "without_same_day": {"cards": None, "is_about_the_same": True},
        "without_either": {"cards": None, "is_about_the_same": False},
    }


@pytest.mark.parametrize(("in_a_week", "published"), [(1, 10), (10, 10), (11, 20), (35, 40)])
def test_most_cards_to_one_clinician(in_a_week, published):
    """The most cards to one clinician are rounded up, so that neither a few nor a hidden week's number is told."""
    tally = tally_of({JOINTS[0]: 100, JOINTS[3]: 100})
    tally.counts["clinician", "d1", "2025-06-02"] = in_a_week
    summary = summarize(tally, Plan((Variant(Site()),), ()), [])
    assert summary["rates"]["most_in_a_week_to_one_clinician"] == published


def test_intervals():
    """Wilson and Poisson intervals are those of published tables, to the precision that the report has."""
    assert [round(bound, 4) for bound in wilson_interval(10, 100)] == [0.0552, 0.1744]
    assert wilson_interval(0, 10)[0] == 0
    low, high = poisson_interval(10)
    assert abs(low - 4.795) < 0.02
    assert abs(high - 18.39) < 0.03
    assert poisson_interval(0)[0] == 0


JOINTS = [
    Joint(study, result, history, presentation, recommended, against)
    for study in ("lumbar_spine_mri", "fdg_pet_ct")
    for result, history, presentation, recommended, against in (
        ("warning", "in_reach", "specific", "replace", ""),
        ("info", "in_reach", "compatible", "none", "no_specific_sign"),
        ("info", "remote_only", "none", "none", "no_specific_sign remote_only"),
        ("no_history", "none", "none", "", ""),
        ("no_history", "none", "specific", "", ""),
        ("emergency", "none", "specific", "", ""),
        ("emergency", "in_reach", "specific", "", ""),
        ("remote_without_presentation", "remote_only", "none", "", ""),
    )
]


def tally_of(counts: dict[Joint, int]) -> Tally:
    """Return the tally of a replay that counted these orders, all in one week."""
    tally = Tally(11)
    for joint, count in counts.items():
        is_card = joint.result in CARDS
        kinds = ("monitored", "cards") if is_card else ("monitored",)
        keys = [("joint", *joint), ("result", joint.result), ("monitored_result", joint.result)]
        keys += [key for kind in kinds for key in ((kind,), ("study", kind, joint.study), ("week", kind, "2025-06-02"))]
        keys.append(("cell", "cards" if is_card else "silent", joint.history, joint.presentation))
        keys += [("with_history",)] if joint.history != "none" else []
        keys += [("recommended", joint.recommended)] if is_card else []
        keys += [("against", reason) for reason in joint.against.split()]
        for key in keys:
            tally.counts[key] += count
    tally.counts = +tally.counts
    return tally


def numbers(summary: dict) -> list:
    """Return the numbers of a summary: each with the orders that it counts."""
    cards = summary["cards"]
    rows = [
        (summary["monitored"], lambda _joint: True),
        (cards["total"], lambda joint: joint.result in CARDS),
        (summary["with_history"], lambda joint: joint.history != "none"),
        *((count, lambda joint, name=name: joint.result == name) for name, count in summary["silences"].items()),
        *((cards[name], lambda joint, name=name: joint.result == name) for name in CARDS),
        *((count, lambda one, name=name: one.recommended == name) for name, count in summary["recommended"].items()),
        *((row["cards"], lambda one, row=row: row["reason"] in one.against.split()) for row in summary["against"]),
    ]
    for row in summary["studies"]:
        rows.append((row["monitored"], lambda joint, row=row: joint.study == row["study"]))
        rows.append((row["cards"], lambda joint, row=row: joint.study == row["study"] and joint.result in CARDS))
    for row in summary["cells"]:
        for column, is_card in (("cards", True), ("silent", False)):
            rows.append(
                (
                    row[column],
                    lambda joint, row=row, is_card=is_card: (
                        joint[2:4] == (row["history"], row["presentation"]) and (joint.result in CARDS) == is_card
                    ),
                )
            )
    return rows


def reduced(vector: list, basis: list) -> list:
    """Return what is left of a vector when all multiples of a basis in echelon form are taken away."""
    for row in basis:
        place = next(index for index, value in enumerate(row) if value)
        if vector[place]:
            factor = vector[place] / row[place]
            vector = [value - factor * other for value, other in zip(vector, row, strict=True)]
    return vector


@examples(1000)
@given(st.lists(COUNTS, min_size=len(JOINTS), max_size=len(JOINTS)))
def test_no_arithmetic_over_all_tables_tells_a_small_count(drawn):
    """No sum and no difference of published numbers, of whatever tables, is the number of a hidden small cell."""
    counts = {joint: count for joint, count in zip(JOINTS, drawn, strict=True) if count}
    rows = numbers(summarize(tally_of(counts), Plan((Variant(Site()),), ()), []))
    known, small = [], []
    for published, counted in rows:
        vector = [Fraction(counted(joint)) for joint in counts]
        count = sum(counts[joint] for joint in counts if counted(joint))
        assert published in (None, count)
        if published is not None and any(rest := reduced(vector, known)):
            known.append(rest)
        elif published is None and 0 < count < 11:
            small.append(vector)
    for vector in small:
        assert any(reduced(vector, known))


def test_a_small_cell_behind_the_number_with_history():
    """The cell of 5 orders does not follow from the orders with a history, less those of them that are shown."""
    counts = {
        Joint("lumbar_spine_mri", "info", "in_reach", "compatible", "none", ""): 100,
        Joint("lumbar_spine_mri", "emergency", "in_reach", "specific"): 5,
        Joint("lumbar_spine_mri", "emergency", "none", "specific"): 30,
        Joint("lumbar_spine_mri", "no_history", "none", "none"): 500,
    }
    summary = summarize(tally_of(counts), Plan((Variant(Site()),), ()), [])
    silent = {(row["history"], row["presentation"]): row["silent"] for row in summary["cells"]}
    assert silent["in_reach", "specific"] is None
    assert summary["with_history"] is None or summary["cards"]["total"] is None


def test_a_small_clinician_behind_the_total():
    """Of all monitored orders and those of the clinicians that are listed, the few of one more do not remain."""
    tally = tally_of({Joint("lumbar_spine_mri", "no_history", "none", "none"): 100})
    for name, count in (("a", 60), ("b", 35), ("c", 5)):
        tally.counts["place", "monitored", "clinician", f"Practitioner/{name}", ""] = count
    places = summarize(tally, Plan((Variant(Site()),), (), by_place=True), [])["places"]
    assert [row["monitored"] for row in places] == [60, None]


def test_a_small_rest_behind_a_comparison():
    """Of all information cards and those that another site file turns into silences, the few others do not remain."""
    joint = Joint("lumbar_spine_mri", "info", "in_reach", "compatible", "none", "")
    tally = tally_of({joint: 45, joint._replace(result="warning"): 100})
    tally.counts["compared", "info", "remote_without_presentation"] = 40
    tally.counts["compared", "info", "info"] = 5
    tally.counts["compared", "warning", "warning"] = 100
    summary = summarize(tally, Plan((Variant(Site()), Variant(Site())), ()), [])
    (row,) = summary["compared"]["rows"]
    assert row["orders"] is None or summary["cards"]["info"] is None


def test_few_orders_beside_an_unmapped_code():
    """Of the orders of a study and those of them with an unmapped code, the few others do not remain."""
    tally = tally_of({Joint("lumbar_spine_mri", "no_history", "none", "none"): 45})
    key = ("unmapped_order", "by_words", "lumbar_spine_mri", "urn:oid:1.2.3", "X1", "MRI L-SPINE")
    tally.counts[key] = 40
    tally.patients[key] = set(range(11))
    assert summarize(tally, Plan((Variant(Site()),), ()), [])["unmapped_orders"] == []
