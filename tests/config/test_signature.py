"""What a constructor may ask for: every parameter needs a name, a type that YAML has, and a plain default."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum

import pytest
from pydantic import ValidationError

from upt_core import Callback, DataSpec, PluginError, Progress, Sampler
from upt_core.config.schema import plugin_model
from upt_core.config.sections import as_plain
from upt_core.config.signature import read_signature
from upt_core.registry import Distribution, Entry, Kind
from upt_core.registry.discovery import installed

Add = Callable[[Kind, str, type], Entry]


class Colour(Enum):
    RED = "red"


class Unannotated(Callback):
    def __init__(self, size=3):  # type: ignore[no-untyped-def]
        self.size = size


class Starred(Callback):
    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes


class KeywordStarred(Callback):
    def __init__(self, **sizes: int) -> None:
        self.sizes = sizes


class PositionalOnly(Callback):
    def __init__(self, size: int, /) -> None:
        self.size = size


class Named(Callback):
    def __init__(self, name: str) -> None:
        self.name = name


class Unresolvable(Callback):
    def __init__(self, size: Undefined) -> None:  # type: ignore[name-defined]  # noqa: F821
        self.size = size


class Coloured(Callback):
    def __init__(self, colour: Colour) -> None:
        self.colour = colour


class ObjectDefault(Callback):
    def __init__(self, colour: str = Colour.RED) -> None:  # type: ignore[assignment]
        self.colour = colour


class WantsData(Callback):
    def __init__(self, data: DataSpec) -> None:
        self.data = data


class AbstractSampler(Sampler):
    def count(self, num_points: int, progress: Progress) -> int:
        return 1


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Unannotated, "parameter 'size' has no type annotation; add one, because upt makes the schema from it"),
        (Starred, "parameter 'sizes' cannot be written in YAML; give every parameter a name"),
        (KeywordStarred, "parameter 'sizes' cannot be written in YAML; give every parameter a name"),
        (PositionalOnly, "parameter 'size' cannot be written in YAML; give every parameter a name"),
        (Named, "parameter 'name' has a name that upt reserves (name); rename it"),
        (Unresolvable, "the annotations of Unresolvable cannot be resolved: name 'Undefined' is not defined"),
        (Coloured, "parameter 'colour' cannot be written in YAML: Colour is not a type that YAML has"),
        (ObjectDefault, "parameter 'colour' has the default <Colour.RED: 'red'>, which YAML cannot write; use None"),
        (WantsData, "parameter 'data' is a DataSpec, which only these kinds receive: encoder, approximator, decoder"),
    ],
)
def test_constructors_that_yaml_cannot_call_are_refused(cls: type, message: str) -> None:
    entry = Entry("callback", "odd", cls, Distribution("strange", "1.2"))
    with pytest.raises(PluginError, match=re.escape(f"callback 'odd' of strange 1.2: {message}")):
        plugin_model(entry)


def test_an_abstract_class_tells_what_it_lacks() -> None:
    entry = Entry("sampler", "odd", AbstractSampler, Distribution("strange", "1.2"))
    message = r"sampler 'odd' of strange 1\.2 cannot be used: AbstractSampler lacks the method draw"
    with pytest.raises(PluginError, match=message):
        plugin_model(entry)


def test_keys_of_a_kind_are_reserved(add: Add) -> None:
    class Weighted(installed().load("loss", "forward")):  # type: ignore[misc]
        def __init__(self, weight: float = 1.0) -> None: ...

    with pytest.raises(PluginError, match=r"'weight' has a name that upt reserves \(name, weight, every, sampler\)"):
        plugin_model(add("loss", "weighted", Weighted))


class Awkward(Callback):
    """Names that pydantic or upt use themselves.

    Args:
        kind: one.
        copy: two.
        model_fields: three.
        _hidden: four.
        build: five.
    """

    def __init__(self, kind: str, copy: int = 1, model_fields: int = 2, _hidden: int = 3, build: bool = True) -> None:
        self.seen = (kind, copy, model_fields, _hidden, build)


def test_a_parameter_may_have_any_name(add: Add) -> None:
    model = plugin_model(add("callback", "awkward", Awkward))
    given = {"kind": "a", "copy": 4, "model_fields": 5, "_hidden": 6, "build": False}
    config = model.model_validate({"name": "awkward", **given})
    assert config.build().seen == ("a", 4, 5, 6, False)
    assert as_plain(config) == {"name": "awkward", **given}
    with pytest.raises(ValidationError, match="Field required"):
        model.model_validate({"argument_kind": "a"})


class Plainest(Callback):
    """Without a constructor."""


def test_a_class_without_a_constructor_has_no_parameters(add: Add) -> None:
    assert read_signature(add("callback", "plainest", Plainest), []).parameters == ()
