"""YAML 1.2's core schema, and every way in which a file can fail to be one."""

from __future__ import annotations

import math
import re

import pytest

from upt_core import ConfigError
from upt_core.config.yaml_text import MAX_DEPTH, dump_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.", 1.0),
        ("-.5", -0.5),
        ("+5", 5),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("'3'", "3"),
        ("!!int '3'", 3),
        ("!!str 3", "3"),
        ("!!float 1", 1.0),
        ("[1, a]", [1, "a"]),
        ("{on: {1: x}}", {"on": {1: "x"}}),
    ],
)
def test_values(text: str, value: object) -> None:
    read = parse_yaml(f"key: {text}", "f.yaml")[0]["key"]
    assert read == value
    assert type(read) is type(value)


def test_not_a_number_is_read() -> None:
    assert math.isnan(parse_yaml("a: .nan", "f.yaml")[0]["a"])


def test_every_value_has_its_place() -> None:
    _, origins = parse_yaml("a:\n  b: [1,\n    2]\nc: &x {d: 1}\ne: *x\n", "f.yaml")
    assert origins[("a",)] == "f.yaml:1:1"
    assert origins[("a", "b")] == "f.yaml:2:3"
    assert origins[("a", "b", 1)] == "f.yaml:3:5"
    assert origins[("e",)] == "f.yaml:5:1"
    assert origins[("e", "d")] == "f.yaml:4:8"


def test_an_empty_text_has_no_value() -> None:
    assert parse_yaml("# nothing\n", "f.yaml") == (None, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "f.yaml:2:1: a: the key 'a' occurs twice (first at f.yaml:1:1)"),
        (
            "a:\n\tb: 1",
            "f.yaml:2:1: not valid YAML: found character '\\t' that cannot start any token\n    indent with",
        ),
        ("x: 1\na: 'b\nc: 1", "f.yaml:2:4: not valid YAML: found unexpected end of stream\n    the quote that opens"),
        ('a: "b\nc: 1', "f.yaml:1:4: not valid YAML: found unexpected end of stream\n    the quote that opens here is"),
        (
            "a: [1, 2\nb: 3",
            "f.yaml:2:2: not valid YAML: expected ',' or ']', but got ':'\n    a bracket or brace is not",
        ),
        (
            "a: {b: 1",
            "f.yaml:1:4: not valid YAML: expected ',' or '}', but got '<stream end>'\n    the bracket or brace",
        ),
        ("a: b: c", "f.yaml:1:5: not valid YAML: mapping values are not allowed here\n    text with ': ' needs quotes"),
        ("a: 1\n b: 2", "f.yaml:2:3: not valid YAML: mapping values are not allowed here"),
        (
            "a: 1\n---\nb: 2",
            "f.yaml:2:1: not valid YAML: but found another document\n    one file holds one experiment",
        ),
        ("a: *b", "f.yaml:1:4: not valid YAML: found undefined alias 'b'"),
        ("a: @b", "f.yaml:1:4: not valid YAML: found character '@' that cannot start any token"),
        ("a: 1\nb\x00c: 2", "f.yaml:2:2: the character '\\x00' cannot stand in a text file\n    is this a YAML file?"),
        ("a: &x {b: *x}", "f.yaml:1:4: a.b: aliases expand without end; write out the values"),
        ("&x [*x]", "f.yaml:1:1: 0: aliases expand without end; write out the values"),
        ("[" * 200_000, f"f.yaml:1:{MAX_DEPTH + 1}: not valid YAML: lists or mappings are nested too deeply"),
        ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 30 + "*a" + "]" * 30, "are nested too deeply"),
        ('a: "\\UFFFFFFFF"', "f.yaml: not valid YAML: an escape in a quoted text is not a character"),
        ("a: !!int x", "f.yaml:1:4: a: 'x' cannot be read as int"),
        ("a: " + "9" * 5000, f"f.yaml:1:4: a: '{'9' * 40}' cannot be read as int"),
        (
            "a: !!python/object:os.system x",
            "a: the tag 'tag:yaml.org,2002:python/object:os.system' has no meaning here",
        ),
        ("a: !new x", "f.yaml:1:4: a: the tag '!new' has no meaning here\n    write the plain value"),
        (
            "a: &x {b: 1}\nc:\n  <<: *x",
            "f.yaml:3:3: c: '<<' (a merge key) is not part of YAML 1.2\n    write out the keys",
        ),
        ("true: 1", "f.yaml:1:1: 'true' cannot be a key; a word is expected\n    quote it if it is meant as text"),
        ("a: {null: 1}", "f.yaml:1:5: a: 'null' cannot be a key"),
        ("1.5: 1", "f.yaml:1:1: '1.5' cannot be a key"),
        ("? [1]\n: 2", "f.yaml:1:3: a list or mapping cannot be a key"),
    ],
)
def test_what_is_wrong_has_a_place_and_a_cure(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_yaml(text, "f.yaml")


def test_all_keys_that_stand_twice_are_reported() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml("a: 1\na: 2\nb: {c: 1, c: 2, 1.5: 3}", "f.yaml")
    assert [problem.path for problem in caught.value.problems] == [("a",), ("b", "c"), ("b",)]


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    with pytest.raises(ConfigError, match="aliases expand without end; write out the values"):
        parse_yaml(bomb, "f.yaml")


def test_what_is_dumped_is_read_back() -> None:
    data = {
        "words": [
            "no",
            "on",
            "true",
            "null",
            "~",
            "",
            "1e-3",
            "010",
            "0o7",
            "<<",
            "=",
            "2001-01-01",
            "a: b",
            "#",
            "\t",
        ],
        "numbers": [1e-5, 1e22, 0.1 + 0.2, -3, 2**70, math.inf, True, None],
        "1": {2: "Größe\nzwei", "empty": {}, "none": []},
    }
    assert parse_yaml(dump_yaml(data), "f.yaml")[0] == data
