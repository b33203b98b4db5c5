"""JSON is read quickly exactly as it is read slowly: the same value or the same refusal, for any bytes."""

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.strict_json import is_alike, reference_json, strict_json, to_json
from tests.support.notation import call, rows
from tests.support.profiles import examples
from tests.support.service import TODAY

DEPTH = 6
PIECES = [
    *(rf"\{letter}" for letter in '"\\/bfnrt'),
    *("[", "]", "{", "}", "[[", "}}", ":", ",", "'", "a", " ", "\x7f", "é", "\u2028", "\U0001f9b4", "\ufeff"),
    *(r"\u0000", r"\u005c", r"\u0022", r"\uD83E\uDDB4", r"\ud83e", r"\uddb4", r"\udead\ubeef", r"\u005B"),
    *("1" * 18, "1" * 19, "null"),
]
"""Of a string as it is written: what is escaped, what could be taken for structure, and what is no character alone."""

NUMBERS = [
    *("0", "-0", "-0.0", "0e0", "-0E-0", "1E5", "1e+05", "0.1", "1.10", "1e-7", "2e-324", "4.9e-324", "-1e-999"),
    *(
        "1e308",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "-1e309",
        "1e999",
        "0e999",
        "1e00000000000000000001",
    ),
    *("9" * 17, "9" * 18, "9" * 19, "9" * 20, "-" + "9" * 18, "-" + "9" * 19, "1" * 1000, "1" * 1001),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"),
    *("18446744073709551615", "18446744073709551616", "9007199254740993", "100000000000000000"),
    *("9007199254740993.0", "123456789.1234567890", "9" * 18 + "." + "9" * 18, "0." + "0" * 18 + "1", "5e-" + "0" * 18),
    *("9" * 18 + "e290", "9" * 18 + "e291", "9" * 18 + "E-340", "0.30000000000000004", "8.41470984807896507e-1"),
]
NO_JSON = [
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "-",
    "1.",
    ".5",
    "+1",
    "1e",
    "0x1",
    "1_0",
    "True",
    "'a'",
    '"\t"',
    '"\0"',
]
NO_JSON += [
    '"\\x"',
    '"\\u12"',
    '"',
    "[",
    "}",
    "[}",
    "[1,]",
    '{"a":1,}',
    "{1:2}",
    '{"a"}',
    "[1 2]",
    "1 2",
    "//",
    "\xa01",
    "",
]

numbers = st.sampled_from(NUMBERS) | st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
strings = st.lists(st.sampled_from(PIECES), max_size=5).map(lambda pieces: f'"{"".join(pieces)}"')
names = st.sampled_from(['"a"', '"b"', r'"\u0061"', '""', '"{"', r'"\"["']) | strings
blanks = st.sampled_from(["", "", " ", "\n", "\t\r\n "])
separators = blanks.map(lambda blank: f"{blank},{blank}")


def listed(inner):
    """Return a strategy for a list as it is written."""
    return st.tuples(separators, st.lists(inner, max_size=3)).map(lambda pieces: f"[{pieces[0].join(pieces[1])}]")


def named(inner):
    """Return a strategy for an object as it is written; some have a name twice."""
    members = st.lists(
        st.tuples(names, blanks, inner).map(lambda pieces: f"{pieces[0]}{pieces[1]}:{pieces[1]}{pieces[2]}"), max_size=4
    )
    return st.tuples(separators, members).map(lambda pieces: f"{{{pieces[0].join(pieces[1])}}}")


scalars = numbers | strings | st.sampled_from(["true", "false", "null", "[]", "{}"])
texts = st.recursive(scalars, lambda inner: listed(inner) | named(inner), max_leaves=12)


def read(parse, content, depth):
    """Return what a parser makes of a text: the value with its types, order and signs, or the refusal."""
    try:
        return repr(parse(content, depth=depth))
    except ValueError as refusal:
        return f"{type(refusal).__name__}: {refusal}"


def differing(contents, *depths):
    """Return the shortest text that the two parsers read in different ways, or None."""
    wrong = [
        (content, depth)
        for content, depth in product(contents, depths)
        if read(strict_json, content, depth) != read(reference_json, content, depth)
    ]
    return min(wrong, key=lambda pieces: len(pieces[0]), default=None)


@given(text=texts, around=blanks)
@examples(600)
def test_any_spelling(text, around):
    """A valid text in any spelling and encoding, within the depth or deeper, is read as the slow parser reads it."""
    encodings = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "cp037")
    contents = [f"{around}{text}{around}".encode(name, "replace") for name in encodings]
    assert differing(contents, None, 1, 2, 3, DEPTH) is None


@given(
    text=texts, noise=st.binary(min_size=1, max_size=3) | st.sampled_from(b'\\ " [ ] { } \\" 9 - . \0 \xed'.split(b" "))
)
@examples(150)
def test_any_damage(text, noise):
    """A text that is cut short at any place, or has bytes put in or replaced there, is read or refused alike."""
    whole = text.encode()[:200]
    places = range(0, len(whole), 1 + len(whole) // 40)
    cut = [whole[:at] for at in places]
    put_in = [whole[:at] + noise + whole[at:] for at in places]
    replaced = [whole[:at] + noise + whole[at + len(noise) :] for at in places]
    assert differing([*cut, *put_in, *replaced], 2, DEPTH) is None


@pytest.mark.parametrize(
    "around", ["%s", " %s", "  %s", "   %s", "[%s]", '{"a":%s}', " %s\n", '["\\"",%s,"]"]', '{"a":%s,"a":%s}']
)
def test_each_number_and_what_is_no_json(around):
    """Numbers at the edges of what a float or an integer holds, and what is no JSON, are read or refused alike."""
    contents = [
        around.replace("%s", literal).encode()
        for literal in (*NUMBERS, *(f"-{number}" for number in NUMBERS), *NO_JSON)
    ]
    contents += [around.replace("%s", f'"{piece}"').encode() for piece in PIECES]
    assert differing(contents, None, 1, DEPTH) is None


@given(
    content=st.binary(max_size=12)
    | st.lists(st.sampled_from([bytes([byte]) for byte in b'[]{}",:\\u0019-.eE n'])).map(b"".join)
)
@examples(2000)
def test_any_bytes(content):
    """Bytes of any kind are read or refused alike."""
    assert differing([content], None, 2) is None


SHAPES = {
    "lists": ("[", "", "]"),
    "objects": ('{"a":', "1", "}"),
    "mixed": ('[{"b":', "[]", "}]"),
    "brackets in strings": ('["]}\\"[",{"{[\\\\":', '"[{"', '},"]"]'),
    "brothers": ('[[],{"a":{}},', "{}", ",[[]]]"),
    "blanks and escapes": ('[ "\\\\\\"" , { "\\u005b" : ', ' "\\\\" ', ' , "" : "" } , "" ]'),
    "turned brackets in strings": ('["]",{"}":', "1", ',"{":""},"["]'),
    "twice": ('{"a":[[[[]]]],"a":', "0", "}"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_edge_of_each_depth(shape):
    """For each depth that is asked for, texts just within it and just beyond it are distinguished alike."""
    opening, innermost, closing = SHAPES[shape]
    for depth in range(1, 71):
        around = {most for levels in (depth, depth // 2) for most in range(max(0, levels - 2), levels + 3)}
        contents = [(opening * most + innermost + closing * most).encode() for most in around]
        assert differing(contents, depth) is None
        outcomes = [read(reference_json, content, depth) for content in contents]
        assert len({outcome.startswith("UnsafeJson") for outcome in outcomes}) == 2, "the edge is not among them"


@pytest.mark.parametrize(
    "quotes", [r'"\""', r'"\\"', r'"\\\""', r'"\\\\"', '"["', '"]"', r'"\"["', r'"]\\"', '""', '"\'"']
)
def test_between_strings(quotes):
    """What stands between two strings is nested as deeply as it is, however their quotation marks are escaped."""
    contents = [f"[{quotes}, {'[' * most}{quotes}{']' * most}, {quotes}]".encode() for most in range(12)]
    assert differing(contents, *range(1, 13)) is None


def test_far_too_deep():
    """Thousands of levels, closed or not, are refused alike."""
    assert differing([b"[" * 3000 + b"]" * 3000, b'{"a":' * 3000, b"[" * 3000, b'["' * 3000], 64) is None


def test_brackets_that_do_not_match():
    """Text with more brackets of one kind than of the other is no JSON: it is refused without a look at each level."""
    for content in (b"[" * 64 + b"]" * 960, (b"[" * 64 + b"]" * 960) * 3, b"{" * 99 + b"}" * 98):
        assert is_alike(content, 64), "levels were looked at"
        assert differing([content], 64) is None


def test_a_name_twice():
    """A name that stands twice is refused where that is asked for, and else has its first place and last value."""
    for text in (b'{"a":1,"b":2,"a":3}', rb'{"a":1,"b":2,"\u0061":3}'):
        assert list(strict_json(text).items()) == list(reference_json(text).items()) == [("a", 3), ("b", 2)]
        with pytest.raises(ValueError, match="two members"):
            strict_json(text, unique_names=True)


def test_the_calls_of_the_table_are_read_quickly():
    """What EHRs send goes the quick way, within its depth: the comparisons above are of two parsers, not of one."""
    calls = [json.dumps(call(row, TODAY), indent=2 * (n % 2)).encode() for n, row in enumerate(rows("vignettes.csv"))]
    assert all(is_alike(content, 20) for content in calls)
    assert differing(calls, 3, 20) is None


@given(text=texts)
@examples(500)
def test_what_goes_out(text):
    """A value is written so that the slow parser reads the same value, with lone surrogates and at any depth."""
    try:
        value = reference_json(text)
    except ValueError:
        value = text
    nested = value
    for _ in range(300):
        nested = [nested]
    for document in (value, nested):
        assert repr(reference_json(to_json(document))) == repr(document)
