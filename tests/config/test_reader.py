from __future__ import annotations

import time

import pytest

from trainctl.config.reader import MAX_DEPTH, MAX_VALUES, read
from trainctl.errors import ConfigError

DEEP = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)


def value_of(text: str):
    tree, problems = read(text, "a.yaml")
    assert problems == []
    return tree.plain()


def mistakes(text: str) -> list[str]:
    try:
        _, problems = read(text, "a.yaml")
    except ConfigError as error:
        problems = error.problems
    return [f"{each.line}:{each.column} {each.message}" for each in problems]


def test_every_key_and_value_has_its_place():
    tree, _ = read("a: 1\nb:\n  - x\n  - {c: [2, 3]}\n", "a.yaml")
    b = tree.child("b")
    c = b.child(1).child("c")
    assert (tree.child("a").key.column, tree.child("a").place.column) == (1, 4)
    assert (b.key.line, b.place.line, b.place.column) == (2, 3, 3)
    assert (c.key.line, c.key.column, c.place.column) == (4, 6, 9)
    assert c.child(1).place.text == "  - {c: [2, 3]}"
    assert c.child(1).place.origin == "a.yaml:4"


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_lines_end_as_yaml_says(line_break):
    tree, _ = read(f"a: 1{line_break}# note{line_break}b: é{line_break}", "a.yaml")
    assert (tree.child("b").place.line, tree.child("b").place.text) == (3, "b: é")


def test_columns_count_characters():
    tree, _ = read("{é😀: 1, b: 2}", "a.yaml")
    assert tree.child("b").place.column == 12


def test_a_line_too_long_to_show_is_not_shown():
    tree, _ = read(f"{{a: {'x' * 300}, b: 1}}", "a.yaml")
    assert len(tree.child("a").place.text) == 200
    assert tree.child("b").place.text is None


@pytest.mark.parametrize("text", ["", "# only a comment\n", "\n\n", "---\n...\n", "%YAML 1.2\n---\n"])
def test_an_empty_document(text):
    tree, _ = read(text, "a.yaml")
    assert tree is None or tree.value is None


def test_merge_keys_and_aliases():
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  z: 3\nd: *a\ne: {<<: *b, '<<': 4}\n"
    assert value_of(text) == {
        "a": {"x": 1, "y": 1},
        "b": {"y": 2, "z": 2},
        "c": {"x": 1, "y": 1, "z": 3},
        "d": {"x": 1, "y": 1},
        "e": {"y": 2, "z": 2, "<<": 4},
    }


def test_what_a_merge_brings_in_is_placed_where_it_is_written():
    tree, _ = read("a: &a {x: 1}\nb:\n  <<: *a\n", "a.yaml")
    assert tree.child("b").child("x").key.line == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\na: 3\n", ["2:1 duplicate key 'a', first on line 1", "3:1 duplicate key 'a', first on line 1"]),
        ("a: {b: {c: 1, c: 1}}", ["1:15 duplicate key 'c', first on line 1"]),
        ("- [{a: 1, 'a': 2}]", ["1:11 duplicate key 'a', first on line 1"]),
        ("<<: {a: 1}\n<<: {b: 1}\n", ["2:1 duplicate key '<<', first on line 1"]),
        ("1: 2\n1.5: 2\ntrue: 2\n~: 2\n", [f"{n}:1 a key must be a string, not {kind}" for n, kind in enumerate(
            ["an integer", "a number", "a boolean", "nothing"], start=1)]),
        ("? {a: 1}\n: 2", ["1:3 a key must be a string, not a mapping"]),
        ("!x a: 2", ["1:1 a key must be a string, not one with the tag !x"]),
        ("a: !!python/object:os.system ls", ["1:4 the tag !!python/object:os.system has no meaning here"]),
        ("a: !!set {x, y}\nb: !!omap [x: 1]\n", [
            "1:4 the tag !!set has no meaning here", "2:4 the tag !!omap has no meaning here"]),
        ("a: !!timestamp 2026-01-01", ["1:4 the tag !!timestamp has no meaning here"]),
        ("<<: 3\n", ["1:5 '<<' takes mappings, not an integer"]),
        ("<<: [{a: 1}, [b]]\n", ["1:14 '<<' takes mappings, not a list"]),
        ('"\\0": 1\na: "\\ud800"\n', [
            "1:1 a string with \\0 or half a surrogate pair", "2:4 a string with \\0 or half a surrogate pair"]),
    ],
)  # fmt: skip
def test_mistakes_that_do_not_stop_the_reading(text, expected):
    assert mistakes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\n\tb: 2", "2:1 a tab where YAML wants spaces"),
        ("a: 1\nb: 'x\nc: 2", "2:4 a quote that is never closed"),
        ("a: {b: 1", "1:4 a bracket that is never closed by '}'"),
        ("a: [1, 2", "1:4 a bracket that is never closed by ']'"),
        ("a: [1 2: 3 4]\nb: [1, 2}", "2:9 expected ',' or ']' here"),
        ("a: ]", "1:4 a value is missing here"),
        ("a: b: c", "1:5 a ':' that does not belong here"),
        ("a:\n- 1\n  b: 2\n", "3:4 a ':' that does not belong here"),
        ("a\nb: 1", "2:2 a ':' that does not belong here"),
        ("a: 1\nb\nc: 1", "2:1 a key without its ':'"),
        ("a: - 1", "1:4 a list item that does not belong here"),
        ("a: 1\n- b\n", "2:1 a list item that does not belong here"),
        ("a: 1\n   b: 1\n", "2:5 a ':' that does not belong here"),
        ("a:\n    b: 1\n  c: 1\n", "3:3 the indentation does not fit the lines above"),
        ("a: `x`", "1:4 a value cannot begin with '`'"),
        ("a: %x", "1:4 a value cannot begin with '%'"),
        ("a: *b", "1:4 the alias *b has no anchor &b above it"),
        ("a: &b 1\nc: &b 2\n", "2:4 the anchor &b is set twice"),
        ("a: &a [*a]", "1:4 a value that holds an alias to itself"),
        ("a: &a {b: {c: *a}}", "1:4 a value that holds an alias to itself"),
        ("a: &a\n  <<: *a", "1:4 a value that holds an alias to itself"),
        ("a: 1\n---\nb: 2\n", "2:1 more than one document; a config is one"),
        ("a: 1\n...\nb: 2\n", "3:1 more than one document; a config is one"),
        ('a: "\\q"', "1:6 not YAML: found unknown escape character 'q'"),
        ('a: "\\U99999999"', "1:7 no such character"),
        ("a: |9x\n b", "1:6 not YAML: expected chomping or indentation indicators, but found 'x'"),
        ("%YAML 3.0\n--- a", "1:1 not YAML: found incompatible YAML document (version 1.* is required)"),
        ("ok: 1\nbad: \0", "2:6 a control character (U+0000)"),
        ("\x1b[31m: 1", "1:1 a control character (U+001B)"),
        ("a: \ud800", "1:4 a control character (U+D800)"),
    ],
)
def test_text_that_is_not_yaml(text, expected):
    assert mistakes(text) == [expected]


def test_depth_is_limited():
    assert read(DEEP, "a.yaml")[1] == []
    assert mistakes(f"a: [{DEEP}]") == [f"1:{MAX_DEPTH + 3} over {MAX_DEPTH} levels"]


def test_depth_through_aliases_is_limited():
    half = "[" * (MAX_DEPTH // 2) + "{}" + "]" * (MAX_DEPTH // 2)
    text = f"a: &a {half.format('x')}\nb: &b {half.format('*a')}\nc: {half.format('*b')}\n"
    assert len(mistakes(text)) == 1
    assert mistakes(text)[0].endswith(f"over {MAX_DEPTH} levels, aliases expanded")


def test_what_aliases_expand_to_is_limited():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    started = time.perf_counter()
    assert len(mistakes("\n".join(lines))) == 1
    assert mistakes("\n".join(lines))[0].endswith(f"over {MAX_VALUES} values, aliases expanded")
    assert time.perf_counter() - started < 10


def test_size_is_limited():
    text = "[" + "1," * (MAX_VALUES + 1) + "]"
    assert mistakes(text) == [f"1:{2 * MAX_VALUES} over {MAX_VALUES} values"]
