"""Signatures → pydantic models: a plugin's constructor is its schema, and there is no second place to edit.

Plugins nest: a parameter annotated with a kind (``base: Sampler``) takes ``{name: …, …}`` and is validated against the
signature of the class that the name stands for. Only plugins that are named are imported.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationInfo, create_model
from pydantic_core import PydanticCustomError, core_schema

from upt_core.batch import DataSpec, LatentSpec
from upt_core.errors import PluginError
from upt_core.kinds import FixedValue
from upt_core.registry import KINDS, Entry, Kind, Registry, kind_class

RUNTIME_TYPES: tuple[type, ...] = (DataSpec, LatentSpec)
"""Constructor parameters of these types are supplied by upt and cannot be written in YAML."""

BUILT_WHEN_CHECKED: tuple[Kind, ...] = ("sampler", "loss", "schedule", "metric", "optimizer")
"""Kinds whose constructors are cheap: they are tried at parse time, so that errors across arguments are located."""

Runtime = Mapping[type, Any]


class Section(BaseModel):
    """A part of a configuration: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, protected_namespaces=())


class PluginConfig(Section):
    """A validated ``{name: …, …}``: what ``build`` makes an object of."""

    kind: ClassVar[Kind]
    entry: ClassVar[Entry]
    plugin: ClassVar[type]
    parameters: ClassVar[tuple[str, ...]]
    runtime: ClassVar[dict[str, type]]

    name: str

    def build(self, runtime: Runtime | None = None) -> Any:
        """The plugin's object; nested plugins are built first.

        Args:
            runtime: objects for the parameters of ``RUNTIME_TYPES``, by type.
        """
        arguments = {name: _built(getattr(self, name), runtime) for name in self.parameters}
        for name, cls in self.runtime.items():
            assert runtime is not None, f"{self.name} needs {cls.__name__}"
            arguments[name] = runtime[cls]
        return self.plugin(**arguments)


def _built(value: Any, runtime: Runtime | None) -> Any:
    if isinstance(value, PluginConfig):
        return value.build(runtime)
    if isinstance(value, list | tuple):
        return type(value)(_built(item, runtime) for item in value)
    if isinstance(value, dict):
        return {key: _built(item, runtime) for key, item in value.items()}
    return value


class Plugin:
    """Annotation of a value that names a plugin: ``Annotated[PluginConfig, Plugin("sampler")]``.

    A bare name stands for ``{name: …}``; where a schedule is expected, a number stands for itself.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def _validate(self, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, PluginConfig) and value.kind == self.kind:
            return value
        if self.kind == "schedule" and isinstance(value, int | float) and not isinstance(value, bool):
            return FixedValue(float(value))
        value = {"name": value} if isinstance(value, str) else value
        name = value.get("name") if isinstance(value, Mapping) else None
        if not isinstance(name, str):
            raise _problem(f"expected the name of a {self.kind} or a mapping with 'name'; got {_shown(value)}")
        registry: Registry = info.context["registry"]
        config = self.model(registry, name).model_validate(dict(value), context=info.context)
        if self.kind in BUILT_WHEN_CHECKED and not config.runtime:
            try:
                config.build()
            except ValueError as error:
                raise _problem(str(error)) from error
        return config

    def model(self, registry: Registry, name: str) -> type[PluginConfig]:
        """The pydantic model of a plugin of this kind; an unknown or broken one is a located error."""
        try:
            return plugin_model(registry.find(self.kind, name))
        except PluginError as error:
            raise PydanticCustomError("plugin", "{message}", {"message": str(error)}) from error


def _problem(message: str) -> PydanticCustomError:
    return PydanticCustomError("plugin", "{message}", {"message": message})


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_MODELS: dict[Entry, type[PluginConfig]] = {}


def plugin_model(entry: Entry) -> type[PluginConfig]:
    """The pydantic model of a plugin, made from its constructor's signature and docstring.

    Raises:
        PluginError: the class cannot be imported, or its signature cannot be written in YAML.
    """
    if entry not in _MODELS:
        _MODELS[entry] = _make_model(entry)
    return _MODELS[entry]


def _make_model(entry: Entry) -> type[PluginConfig]:
    cls = entry.load()
    where = f"{entry.kind} {entry.name!r} of {entry.distribution}"
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise PluginError(f"{where} cannot be used: {cls.__name__} lacks the methods {missing}")
    try:
        hints = get_type_hints(_constructor(cls), include_extras=True)
    except Exception as error:
        raise PluginError(f"{where}: the annotations of {cls.__name__} cannot be resolved: {error}") from error
    own_fields = dict(_KIND_FIELDS.get(entry.kind, {}))
    fields: dict[str, Any] = {"name": (str, Field(entry.name, description=f"the {entry.kind}'s name"))}
    runtime: dict[str, type] = {}
    descriptions = parameter_descriptions(cls)
    for name, parameter in _parameters(cls, where).items():
        if name not in hints:
            raise PluginError(f"{where}: parameter {name!r} of {cls.__name__} has no type annotation")
        if hints[name] in RUNTIME_TYPES:
            runtime[name] = hints[name]
            continue
        if name in fields or name in own_fields:
            raise PluginError(f"{where}: parameter {name!r} of {cls.__name__} has a reserved name; rename it")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (as_config(hints[name]), Field(default, description=descriptions.get(name)))
    model = create_model(f"{entry.kind}:{entry.name}", __base__=PluginConfig, **fields, **own_fields)
    model.kind, model.entry, model.plugin = entry.kind, entry, cls
    model.parameters = tuple(name for name in fields if name != "name")
    model.runtime = runtime
    return model


def _constructor(cls: type) -> Any:
    return getattr(cls, "__init__")  # noqa: B009 (as an attribute it is what a class has, not an instance)


def _parameters(cls: type, where: str) -> dict[str, inspect.Parameter]:
    if _constructor(cls) is object.__init__:
        return {}
    found = {name: p for name, p in inspect.signature(cls).parameters.items() if name != "self"}
    for name, parameter in found.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise PluginError(f"{where}: parameter {name!r} of {cls.__name__} cannot be written in YAML (use keywords)")
    return found


def parameter_descriptions(cls: type) -> dict[str, str]:
    """One line for each constructor parameter, from the docstrings' ``Args``."""
    found: dict[str, str] = {}
    for doc in (cls.__doc__, _constructor(cls).__doc__):
        for parameter in docstring_parser.parse(doc or "").params:
            found[parameter.arg_name] = " ".join((parameter.description or "").split())
    return found


_SCALARS = (bool, int, float, str)


def as_config(annotation: Any) -> Any:
    """An annotation as a configuration has it: kinds become plugin references, scalars do not convert silently."""
    if isinstance(annotation, type):
        for kind in KINDS:
            if annotation is kind_class(kind):
                return Annotated[Any, Plugin(kind)]
        return Annotated[annotation, Strict()] if annotation in _SCALARS else annotation
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[(as_config(args[0]), *args[1:])]
    if origin in (Union, types.UnionType):
        return Union[tuple(as_config(arg) for arg in args)]  # noqa: UP007 (built from values)
    if origin in (list, tuple, dict):
        return origin[tuple(arg if arg is ... else as_config(arg) for arg in args)]
    return annotation


_KIND_FIELDS: dict[Kind, dict[str, Any]] = {
    "loss": {
        "weight": (Annotated[Any, Plugin("schedule")], Field(FixedValue(1.0), description="factor in the total")),
        "every": (Annotated[int, Strict()], Field(1, ge=1, description="act on every n-th batch")),
        "sampler": (
            Annotated[Any, Plugin("sampler")] | None,
            Field(None, description="query points; left out: the experiment's sampler; null: all points"),
        ),
    },
}
"""Keys that every plugin of a kind has in a configuration, beside its own parameters."""
