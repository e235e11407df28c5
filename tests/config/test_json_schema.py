"""The JSON Schema, by a real validator: shipped configurations pass, spoilt ones fail."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from upt_core import Callback, ConfigError
from upt_core.config.document import parse, read
from upt_core.config.json_schema import json_schema
from upt_core.config.schema import KIND_KEY
from upt_core.config.sections import as_plain
from upt_core.config.settings import validate
from upt_core.registry import Distribution, Entry, Registry
from upt_core.registry.discovery import installed, load

Data = dict[str, Any]


@pytest.fixture(scope="module")
def schema() -> Data:
    return json_schema(installed())


@pytest.fixture(scope="module")
def fails(schema: Data) -> Callable[[Data], bool]:
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    return lambda data: not validator.is_valid(data)


def test_shipped_configurations_pass(shipped: Path, fails: Callable[[Data], bool]) -> None:
    assert not fails(read(shipped).data)


def test_resolved_configurations_pass(shipped: Path, registry: Registry, fails: Callable[[Data], bool]) -> None:
    assert not fails(as_plain(validate(read(shipped), registry)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("trainr", {}),
        ("data", ...),
        ("losses", ...),
        ("losses", {}),
        ("trainer.epochs", ...),
        ("trainer.epochs", 0),
        ("trainer.epochs", "3"),
        ("trainer.epochs", True),
        ("trainer.precision", "fp8"),
        ("trainer.device", "gpu"),
        ("trainer.ema", 1),
        ("trainer.optimizer.lr", "fast"),
        ("trainer.batchsize", 3),
        ("validation.metrics", ...),
        ("validation.metrics.relative_l2", {"name": "relative_l3"}),
        ("model.encoder", "gird"),
        ("model.encoder.patch", 0),
        ("model.encoder.data", {}),
        ("model.decoder.name", ...),
        ("sampler.name", ...),
        ("losses.forward.name", ...),
        ("trainer.optimizer.name", ...),
        ("trainer.optimizer", ...),
        ("model.latent.tokens", 1.5),
        ("sampler", {"name": "ratio"}),
        ("sampler", "ratio"),
        ("sampler.num_querys", 8),
        ("sampler", {"name": "ratio", "ratio": 0.5, "base": {"name": "uniform", "num": 3}}),
        ("losses.forward.weight", {"name": "linear", "start": 1}),
        ("losses.forward.weight", "one"),
        ("losses.forward.every", 0),
        ("callbacks", "csv"),
    ],
)
def test_spoilt_configurations_fail_as_they_do_in_upt(
    experiment: str, registry: Registry, fails: Callable[[Data], bool], path: str, value: Any
) -> None:
    document = parse(experiment.replace("decoder: perceiver", "decoder: {name: perceiver}"), "exp.yaml")
    data = copy.deepcopy(document.data)
    assert not fails(data)
    *parents, key = path.split(".")
    at: Any = data
    for parent in parents:
        at = at[parent]
    if value is ...:
        del at[key]
    else:
        at[key] = value
    assert fails(data)
    document.data = data
    with pytest.raises(ConfigError):
        validate(document, registry)


def test_a_file_that_extends_another_may_leave_things_out(fails: Callable[[Data], bool]) -> None:
    assert not fails({"extends": "base.yaml", "trainer": {"epochs": 3}, "model": {"encoder": {"name": "grid"}}})
    assert not fails({"extends": ["a.yaml", "b.yaml"]})
    assert fails({"trainer": {"epochs": 3}})
    assert fails({"extends": "base.yaml", "trainer": {"epochs": 0}})
    assert fails({"extends": 3})
    assert not fails({"extends": "base.yaml", "sampler": {"num_queries": 3}, "trainer": {"optimizer": {"lr": 0.1}}})
    assert not fails({"extends": "base.yaml", "losses": {"forward": {"weight": 0.5}}, "validation": {"every": 2}})
    assert fails({"extends": "base.yaml", "sampler": {"num_querys": 3}})
    assert fails({"extends": "base.yaml", "losses": {"forward": {"weigth": 0.5}}})


def test_a_model_that_starts_from_an_operator_may_leave_out_its_parts(fails: Callable[[Data], bool]) -> None:
    whole = read(Path(__file__).parents[2] / "configs" / "burgers.yaml").data
    assert not fails(whole)
    assert not fails({**whole, "model": {"from": "runs/first"}})
    assert fails({**whole, "model": {"parts": ["encoder"]}})
    assert fails({**whole, "model": {"from": "runs/first", "parts": ["latent"]}})
    assert fails({**whole, "model": {"from": "runs/first", "normalization": "new"}})


def test_every_plugin_has_a_definition_with_descriptions_defaults_and_bounds(schema: Data) -> None:
    for kind, name in installed().entries:
        definition = schema["$defs"][f"{kind}:{name}"]
        assert definition["properties"]["name"]["const"] == name
        assert definition["additionalProperties"] is False
        assert {"$ref": f"#/$defs/{kind}:{name}"} in schema["$defs"][kind]["anyOf"]
        assert all(item.get("description") for item in definition["properties"].values())
    ratio = schema["$defs"]["sampler:ratio"]
    assert ratio["required"] == ["name", "ratio"]
    assert (ratio["properties"]["ratio"]["exclusiveMinimum"], ratio["properties"]["ratio"]["maximum"]) == (0, 1)
    assert ratio["properties"]["multiple"]["default"] == 64
    assert ratio["properties"]["base"]["anyOf"] == [{"$ref": "#/$defs/sampler"}, {"type": "null"}]
    assert schema["$defs"]["loss:forward"]["properties"]["weight"] == {
        "$ref": "#/$defs/schedule",
        "default": 1.0,
        "description": "factor in the total",
    }


def test_references_lead_somewhere_and_no_mark_is_left(schema: Data) -> None:
    nodes = list(_nodes(schema))
    references = {node["$ref"] for node in nodes if "$ref" in node}
    assert {reference.removeprefix("#/$defs/") for reference in references} <= set(schema["$defs"])
    assert not any(KIND_KEY in node for node in nodes)


def _nodes(value: Any) -> Iterator[Data]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(item)


class Loud(Callback):
    """Says much.

    Args:
        words: which.
    """

    def __init__(self, words: dict[str, list[float]], title: str = "t") -> None: ...


class Odd(Callback):
    def __init__(self, *words: str) -> None: ...


def test_plugins_of_strangers_are_in_it_and_broken_ones_are_not() -> None:
    registry = Registry()
    for name, target in (("loud", Loud), ("odd", Odd), ("gone", "not_there_at_all:X")):
        registry.register(Entry("callback", name, target, Distribution("strange", "1.2")))
    for owner in ("one", "two"):
        registry.register(Entry("callback", "twice", Loud, Distribution(owner, "1")))
    schema = json_schema(registry)
    assert [key for key in schema["$defs"] if key.startswith("callback:")] == ["callback:loud"]
    loud = schema["$defs"]["callback:loud"]
    assert loud["description"] == "Says much. (strange 1.2)"
    assert loud["properties"]["words"] == {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "number"}},
        "description": "which.",
    }
    assert loud["properties"]["title"] == {"type": "string", "default": "t"}


def test_without_plugins_nothing_can_be_named() -> None:
    schema = json_schema(load([]))
    Draft202012Validator.check_schema(schema)
    assert schema["$defs"]["sampler"] == {"not": {}, "description": "no plugin of the kind sampler is installed"}


def test_every_name_of_a_kind_is_offered_where_one_is_typed(schema: Data) -> None:
    assert schema["$defs"]["sampler"]["properties"] == {"name": {"enum": installed().names("sampler")}}
