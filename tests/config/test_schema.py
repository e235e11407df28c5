"""A constructor is its schema: types, bounds, defaults, nested plugins."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, PositiveInt, TypeAdapter, ValidationError

from upt_core import ConfigError, DataSpec, LatentSpec, Progress, Sampler, Schedule
from upt_core.config.schema import as_config, plugin_model
from upt_core.config.sections import as_plain
from upt_core.config.signature import RUNTIME_KINDS, summary
from upt_core.kinds import FixedValue
from upt_core.registry import Entry, Kind
from upt_core.registry.discovery import installed

Add = Callable[[Kind, str, type], Entry]
ALL = [claims[0] for claims in installed().entries.values()]


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_every_installed_plugin_has_a_model_with_a_help_text_for_each_key(entry: Entry) -> None:
    model = plugin_model(entry)
    assert summary(model.plugin)
    assert [name for name, field in model.model_fields.items() if not field.description] == []
    assert not model.signature.runtime or entry.kind in RUNTIME_KINDS


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 3),
        (float, 3),
        (float, 3.5),
        (bool, True),
        (str, "3"),
        (int | None, None),
        (Literal["a", 1], "a"),
        (Literal["a", 1], 1),
        (list[int], [1, 2]),
        (Sequence[float], [1, 2.5]),
        (dict[str, int], {"a": 1}),
        (Mapping[str, float], {"a": 1.0}),
        (tuple[int, float], [1, 2.0]),
        (tuple[int, ...], [1, 2, 3]),
        (int | list[int], [1]),
        (PositiveInt | list[PositiveInt], 2),
        (Path, "a/b.pt"),
        (Any, [1, {"a": None}]),
        (Annotated[int, Field(ge=1, lt=5)], 4),
    ],
)
def test_values_that_fit(annotation: Any, value: Any) -> None:
    assert as_plain(TypeAdapter(as_config(annotation)).validate_python(value)) == value


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "3"),
        (int, True),
        (int, 1.5),
        (int, 1.0),
        (int, None),
        (float, "3"),
        (float, False),
        (float, float("nan")),
        (float, float("inf")),
        (bool, 1),
        (bool, "true"),
        (str, 3),
        (str, None),
        (int | None, "null"),
        (Literal["a", 1], "b"),
        (list[int], 1),
        (list[int], ["1"]),
        (list[int], {"a": 1}),
        (Sequence[float], "12"),
        (dict[str, int], {"a": 1.5}),
        (tuple[int, float], [1]),
        (int | list[int], ["x"]),
        (Path, 3),
        (Annotated[int, Field(ge=1, lt=5)], 5),
        (Annotated[float, Field(gt=0)], 0),
    ],
)
def test_values_that_do_not_fit_are_not_converted(annotation: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(as_config(annotation)).validate_python(value)


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize("annotation", [Colour, set[int], DataSpec, Callable[[int], int], bytes, complex])
def test_types_that_yaml_does_not_have_are_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="is not a type that YAML has"):
        as_config(annotation)


class Mixture(Sampler):
    """Takes plugins in every form.

    Args:
        parts: samplers.
        named: samplers by name.
        pair: two of them.
        rate: a number that changes.
        start: first.
        end: last.
    """

    def __init__(
        self,
        parts: list[Sampler],
        named: dict[str, Sampler] | None = None,
        pair: tuple[Sampler, Schedule] | None = None,
        rate: Schedule = FixedValue(1.0),  # noqa: B008
        start: int = 0,
        end: int = 1,
    ) -> None:
        if end <= start:
            raise ValueError(f"end is {end}, not after start {start}")
        self.parts, self.named, self.pair, self.rate = parts, named, pair, rate

    def count(self, num_points: int, progress: Progress) -> int:
        return 1

    def draw(self, *arguments: Any) -> Any:
        raise NotImplementedError


def with_sampler(text: str) -> tuple[str, str]:
    return ("sampler: {name: uniform, num_queries: 8}", f"sampler: {text}")


def test_plugins_nest_in_lists_mappings_and_tuples(add: Add, check: Callable[..., Any]) -> None:
    add("sampler", "assorted", Mixture)
    text = "{name: assorted, parts: [uniform, {name: ratio, ratio: 0.5, base: {name: stratified}}], "
    settings = check(
        with_sampler(text + "named: {a: uniform}, pair: [uniform, 0.5], rate: {name: linear, start: 1, end: 0}}")
    )
    built = settings.sampler.build()
    assert [type(part).__name__ for part in built.parts] == ["Uniform", "Ratio"]
    assert type(built.parts[1].base).__name__ == "Stratified"
    assert type(built.named["a"]).__name__ == "Uniform"
    assert built.pair[1](Progress()) == 0.5
    assert built.rate(Progress(epoch=1, num_epochs=2)) == 0
    assert as_plain(settings.sampler)["parts"][0]["name"] == "uniform"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{name: assorted, parts: [unifrom]}", "exp.yaml:7:35: sampler.parts.0: no sampler is called 'unifrom'"),
        ("{name: assorted, parts: [{name: uniform, num_queris: 3}]}", "exp.yaml:7:51: sampler.parts.0.num_queris"),
        ("{name: assorted, parts: [uniform], named: {a: 3}}", "sampler.named.a: expected the name of a sampler or a"),
        ("{name: assorted, parts: [uniform], pair: [uniform, {name: curriculum}]}", "sampler.pair.1.base: is missing"),
        ("{name: assorted, parts: uniform}", "exp.yaml:7:27: sampler.parts: expected a list; got 'uniform'"),
        ("{name: assorted, parts: [], end: 0}", "exp.yaml:7:1: sampler: end is 0, not after start 0\n    declared"),
        ("{name: assorted, parts: [], rate: true}", "sampler.rate: expected a number, the name of a schedule or"),
        ("{name: assorted, parts: [], rate: .nan}", "sampler.rate: expected a finite number; got NaN"),
        ("{name: ratio, ratio: 0.5, base: {name: ratio}}", "exp.yaml:7:36: sampler.base.ratio: is missing"),
    ],
)  # fmt: skip
def test_problems_of_nested_plugins_are_located(add: Add, check: Callable[..., Any], text: str, message: str) -> None:
    add("sampler", "assorted", Mixture)
    with pytest.raises(ConfigError, match=re.escape(message)):
        check(with_sampler(text))


def test_a_number_as_a_schedule_must_fit_a_float(validated: Callable[[Any], Any], check: Callable[..., Any]) -> None:
    plain = as_plain(check())
    plain["losses"]["inverse"]["weight"] = 10**400
    with pytest.raises(ConfigError, match=r"losses.inverse.weight: expected a finite number; got 1000.*…"):
        validated(plain)


def test_what_upt_supplies_cannot_be_written(check: Callable[..., Any]) -> None:
    with pytest.raises(
        ConfigError, match=r"exp.yaml:4:35: model.encoder.latent: unknown key\n    .*known keys: name, patch"
    ):
        check(("patch: 8", "patch: 8, latent: 3"))


def test_what_upt_supplies_is_passed_on(check: Callable[..., Any]) -> None:
    encoder = check().model.encoder
    assert encoder.needs_runtime()
    assert encoder.signature.runtime == {"data": DataSpec, "latent": LatentSpec}


def test_only_plugins_that_are_named_are_imported(site: Any) -> None:
    source = (
        "from upt_core import hookimpl\n@hookimpl\ndef register_losses(register): register('later', 'not_there:X')\n"
    )
    site.install("lazy-one", source)
    assert site.load().names("loss") == ["later"]
