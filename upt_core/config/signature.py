"""What a plugin's constructor says: parameters, types, defaults, descriptions; and whether YAML can supply them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import docstring_parser

from upt_core.errors import PluginError
from upt_core.kinds import FixedValue
from upt_core.registry import Entry, Kind
from upt_core.specs import DataSpec, LatentSpec

RUNTIME_TYPES: tuple[type, ...] = (DataSpec, LatentSpec)
"""Constructor parameters of these types are supplied by upt and cannot be written in YAML."""
RUNTIME_KINDS: tuple[Kind, ...] = ("encoder", "approximator", "decoder")
"""The kinds whose constructors may ask for ``RUNTIME_TYPES``: they are built when the data is known."""

REQUIRED: Any = ...


@dataclass(frozen=True)
class Parameter:
    """One parameter that YAML supplies; ``default`` is ``REQUIRED`` where there is none."""

    name: str
    annotation: Any
    default: Any
    description: str | None


@dataclass(frozen=True)
class Signature:
    """A constructor: what YAML supplies, and what upt supplies (name → type)."""

    parameters: tuple[Parameter, ...]
    runtime: dict[str, type]


@dataclass(frozen=True)
class Constructor:
    """What a constructor says of itself, before it is known whether YAML can supply it.

    Args:
        parameters: without ``self``.
        hints: the parameters' annotations as types.
        descriptions: one line for each parameter that the docstrings describe.
    """

    parameters: Mapping[str, inspect.Parameter]
    hints: Mapping[str, Any]
    descriptions: Mapping[str, str]


def read_signature(entry: Entry, reserved: Sequence[str]) -> Signature:
    """The constructor of a plugin.

    Raises:
        PluginError: the class cannot be imported or is abstract, or a parameter cannot be written in YAML.
    """
    cls = entry.load()
    if inspect.isabstract(cls):
        missing = sorted(getattr(cls, "__abstractmethods__", ()))
        methods = "method" if len(missing) == 1 else "methods"
        raise PluginError(f"{entry} cannot be used: {cls.__name__} lacks the {methods} {', '.join(missing)}")
    return signature_of(entry, Constructor(_parameters(cls), _hints(entry, cls), parameter_descriptions(cls)), reserved)


def signature_of(entry: Entry, constructor: Constructor, reserved: Sequence[str]) -> Signature:
    """The signature of a constructor, checked.

    Raises:
        PluginError: a parameter cannot be written in YAML.
    """
    parameters: list[Parameter] = []
    runtime: dict[str, type] = {}
    hints = constructor.hints
    for name, parameter in constructor.parameters.items():
        _check(entry, parameter, hints, reserved)
        if hints[name] in RUNTIME_TYPES:
            runtime[name] = hints[name]
        else:
            default = REQUIRED if parameter.default is inspect.Parameter.empty else parameter.default
            parameters.append(Parameter(name, hints[name], default, constructor.descriptions.get(name)))
    return Signature(tuple(parameters), runtime)


def summary(cls: type) -> str:
    """The first line of a class's own docstring."""
    return (inspect.cleandoc(cls.__dict__.get("__doc__") or "").splitlines() or [""])[0]


def parameter_descriptions(cls: type) -> dict[str, str]:
    """One line for each constructor parameter, from the docstrings' ``Args``."""
    return described((cls.__doc__, _constructor(cls).__doc__))


def described(docstrings: Iterable[str | None]) -> dict[str, str]:
    """One line for each parameter that the ``Args`` of docstrings describe."""
    found: dict[str, str] = {}
    for doc in docstrings:
        for parameter in docstring_parser.parse(doc or "").params:
            found[parameter.arg_name] = " ".join((parameter.description or "").split())
    return found


def _constructor(cls: type) -> Any:
    return getattr(cls, "__init__")  # noqa: B009 (as an attribute it is what a class has, not an instance)


def _hints(entry: Entry, cls: type) -> dict[str, Any]:
    try:
        return get_type_hints(_constructor(cls), include_extras=True)
    except Exception as error:  # annotations are a stranger's expressions
        raise PluginError(f"{entry}: the annotations of {cls.__name__} cannot be resolved: {error}") from error


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    if _constructor(cls) is object.__init__:
        return {}
    return dict(list(inspect.signature(_constructor(cls)).parameters.items())[1:])


def _check(entry: Entry, parameter: inspect.Parameter, hints: Mapping[str, Any], reserved: Sequence[str]) -> None:
    """Refuses a parameter that YAML cannot supply."""
    where = f"{entry}: parameter {parameter.name!r}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise PluginError(f"{where} cannot be written in YAML; give every parameter a name")
    if parameter.name not in hints:
        raise PluginError(f"{where} has no type annotation; add one, because upt makes the schema from it")
    if parameter.name in reserved:
        raise PluginError(f"{where} has a name that upt reserves ({', '.join(reserved)}); rename it")
    if hints[parameter.name] in RUNTIME_TYPES and entry.kind not in RUNTIME_KINDS:
        known = ", ".join(RUNTIME_KINDS)
        raise PluginError(f"{where} is a {hints[parameter.name].__name__}, which only these kinds receive: {known}")
    if parameter.default is not parameter.empty and not _is_plain(parameter.default):
        raise PluginError(f"{where} has the default {parameter.default!r}, which YAML cannot write; use None instead")


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str | int) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | float | str | Path | FixedValue)
