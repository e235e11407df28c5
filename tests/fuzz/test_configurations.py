"""YAML documents and overrides of any kind: a configuration, or problems that each have a place and few words."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upt_core import UserError
from upt_core.config.document import read
from upt_core.config.quick_check import check_quickly
from upt_core.config.settings import stages_of, validate
from upt_core.config.yaml_text import dump_yaml
from upt_core.registry import Registry
from upt_core.registry.discovery import installed

from .damage import damages
from .survival import survives, tried

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
NUMBERS = [0, -1, 1, 2**31, 2**63, 10**400, 1e308, -1e308, float("inf"), float("nan"), 1e-320, True, None]
TEXTS = [
    "",
    "~",
    "no",
    "é\u0301",
    "\u202eabc",
    "\U0001f600" * 50,
    "\0",
    "\x1b[31m",
    "a" * 1_000,
    "../../etc",
    "{x}",
    "*",
]
values = st.recursive(
    st.sampled_from([*NUMBERS, *TEXTS]) | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return installed()


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a document."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(found for key, value in items for found in places(value, (*path, key)))]


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A shipped configuration in which one to three values are gone, others, or moved, or have more beside them."""
    data = copy.deepcopy(read(draw(st.sampled_from(CONFIGS))).data)
    for _ in range(draw(st.integers(1, 3))):
        known = [path for path in places(data) if path]
        *parent, key = draw(st.sampled_from(known))
        holder: Any = data
        for part in parent:
            holder = holder[part]
        way = draw(st.sampled_from(["gone", "other", "moved", "more"]))
        if way == "gone":
            del holder[key]
        elif way == "other":
            holder[key] = draw(values)
        elif way == "moved":
            source: Any = data
            for part in draw(st.sampled_from(known)):
                source = source[part] if isinstance(source, dict) and part in source else source
            holder[key] = copy.deepcopy(source)
        elif isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = draw(values)
    return data


def check(path: Path, registry: Registry, overrides: tuple[str, ...] = ()) -> None:
    """All that is done with a configuration before its data are looked at; both checks find the same form."""
    document = read(path, overrides)
    check_quickly(document, registry)
    stages_of(validate(document, registry), document, registry)


def test_documents(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "spoilt.yaml"

    @tried(40)
    @given(documents())
    def refuse(data: Any) -> None:
        path.write_bytes(dump_yaml(data).encode("utf-8", "surrogatepass"))
        survives(lambda: check(path, registry), "spoilt.yaml")

    refuse()


def test_damaged_text(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "spoilt.yaml"

    @tried(100)
    @given(st.sampled_from(CONFIGS), damages())
    def refuse(config: Path, damage: Any) -> None:
        path.write_bytes(damage(config.read_bytes()))
        survives(lambda: check(path, registry), "spoilt.yaml")

    refuse()


def test_overrides(registry: Registry) -> None:
    keys = [".".join(map(str, path)) for config in CONFIGS[:3] for path in places(read(config).data) if path]
    key = st.sampled_from(keys) | st.text(max_size=12)
    value = values.map(lambda value: dump_yaml(value, flow=True)) | st.text(max_size=20)
    override = st.builds(lambda key, value: f"{key}={value}", key, value) | st.text(max_size=20)

    @tried(60)
    @given(st.lists(override, min_size=1, max_size=3))
    def refuse(overrides: list[str]) -> None:
        survives(lambda: check(CONFIGS[0], registry, tuple(overrides)), "command line", CONFIGS[0].name)

    refuse()


def _deep(kind: str, depth: int) -> str:
    opened, closed = {"list": ("[", "]"), "mapping": ("{a: ", "}")}[kind]
    return f"trainer: {opened * depth}1{closed * depth}"


HUGE = {
    "a hundred thousand keys": "\n".join(f"key{number}: 1" for number in range(100_000)),
    "ten thousand keys of a section": "trainer: {" + ", ".join(f"k{number}: 1" for number in range(10_000)) + "}",
    "a text of a million characters": f"model: {'x' * 999_000}",
    "a key of a million characters": f"{'x' * 999_000}: 1",
    "a number of many digits": f"trainer: {{epochs: {'9' * 900_000}}}",
    "a comment of a million characters": f"# {'x' * 999_000}",
    "more than a million characters": "#" * 2_000_000,
    "deep lists": _deep("list", 100_000),
    "deep mappings": _deep("mapping", 100_000),
    "an alias in itself": "trainer: &a [*a]",
    "aliases of aliases": "a: &a [x]\n"
    + "\n".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)).replace("*a0", "*a"),
    "ten thousand anchors": "\n".join(f"k{number}: &n{number} 1" for number in range(10_000)),
    "control characters": 'trainer: "' + "\\x1b[2J" * 1000 + '"',
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_huge_documents(text: str, registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_text(text)
    assert survives(lambda: check(path, registry), "huge.yaml")


def test_a_huge_override(registry: Registry) -> None:
    said = {
        f"trainer.epochs={'9' * 100_000}": "trainer.epochs",
        f"{'a.' * 50_000}b=1": "the key has 50001 parts; expected at most 50",
        "x" * 1_000_000: "is not an override",
        f"model={'[' * 50_000}": "nested too deeply",
    }
    for text, expected in said.items():
        assert survives(lambda text=text: check(CONFIGS[0], registry, (text,)), expected)


def test_the_property_can_fail(tmp_path: Path) -> None:
    """Other exceptions, long or unreadable messages, and messages without a place are found."""

    def refuses(text: str) -> None:
        raise UserError(text)

    with pytest.raises(ZeroDivisionError):
        survives(lambda: 1 // 0)
    with pytest.raises(AssertionError, match="names none of"):
        survives(lambda: refuses("wrong"), "file.yaml")
    with pytest.raises(MemoryError):
        survives(lambda: bytearray(3 * 2**30))
    assert len(survives(lambda: refuses("x" * 10**6))) < 4000
    assert survives(lambda: refuses("\x1b[2J")) == r"\x1b[2J"
