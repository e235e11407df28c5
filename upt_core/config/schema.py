"""Signatures → pydantic models: a plugin's constructor is its schema, and there is no second place to edit.

Plugins nest: a parameter annotated with a kind (``base: Sampler``) takes ``{name: …, …}`` and is validated against the
signature of the class that the name stands for. Only plugins that are named are imported.
"""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import AllowInfNan, BaseModel, ConfigDict, Field, Strict, ValidationInfo, create_model
from pydantic_core import PydanticCustomError, core_schema

from upt_core.config.outline import outline
from upt_core.config.signature import Signature, parameter_descriptions, read_signature
from upt_core.errors import PluginError
from upt_core.kinds import FixedValue
from upt_core.registry import Entry, Kind, Registry, kind_of_class, with_article
from upt_core.wording import shown

BUILT_WHEN_CHECKED: tuple[Kind, ...] = ("sampler", "loss", "schedule", "metric", "optimizer", "callback")
"""Kinds whose constructors are cheap: they are tried at parse time, so that errors across arguments are located."""

__all__ = ["KIND_KEY", "Plugin", "PluginConfig", "Section", "as_config", "parameter_descriptions", "plugin_model"]

KIND_KEY = "x-upt-kind"
"""Stands in a pydantic JSON schema where a plugin of a kind is expected; ``json_schema`` puts a reference there."""

Runtime = Mapping[type, Any]


class Section(BaseModel):
    """A part of a configuration: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, protected_namespaces=())


class PluginConfig(Section):
    """A validated ``{name: …, …}``: what ``build`` makes an object of.

    ``plugin`` is the class; a model that was made from source text has none, and builds nothing.
    """

    kind: ClassVar[Kind]
    entry: ClassVar[Entry]
    plugin: ClassVar[type]
    signature: ClassVar[Signature]

    name: str

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments as validated: nested plugins are still configurations."""
        return {parameter.name: getattr(self, _field(parameter.name)) for parameter in self.signature.parameters}

    def build(self, runtime: Runtime | None = None) -> Any:
        """The plugin's object; nested plugins are built first.

        Args:
            runtime: objects for the parameters that upt supplies, by type.
        """
        arguments = {name: _built(value, runtime) for name, value in self.arguments().items()}
        for name, cls in self.signature.runtime.items():
            assert runtime is not None, f"{self.name} needs {cls.__name__}"
            arguments[name] = runtime[cls]
        return self.plugin(**arguments)

    def needs_runtime(self) -> bool:
        """Whether it, or a plugin in it, can only be built when the data is known."""
        return bool(self.signature.runtime) or any(_needs_runtime(value) for value in self.arguments().values())


class Plugin:
    """Annotation of a value that names a plugin: ``Annotated[Any, Plugin("sampler")]``.

    A bare name stands for ``{name: …}``; where a schedule is expected, a number stands for itself.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {KIND_KEY: self.kind}

    def _validate(self, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, FixedValue) and self.kind == "schedule":
            return value
        if self.kind == "schedule" and isinstance(value, int | float) and not isinstance(value, bool):
            return _fixed(value)
        value = {"name": value} if isinstance(value, str) else value
        name = value.get("name") if isinstance(value, Mapping) else None
        if not isinstance(name, str):
            raise _error(f"expected {self.expected}; got {shown(value)}")
        assert info.context is not None, "validate through upt_core.config.settings.validate"
        registry: Registry = info.context["registry"]
        config = _model(registry, self.kind, name).model_validate(dict(value), context=info.context)
        if self.kind in BUILT_WHEN_CHECKED and not registry.outlined and not config.needs_runtime():
            try:
                config.build()
            except ValueError as error:
                raise _error(str(error), "refused") from error
        return config

    @property
    def expected(self) -> str:
        """What may stand here, for messages."""
        number = "a number, " if self.kind == "schedule" else ""
        return f"{number}the name of {with_article(self.kind)} or a mapping with its 'name'"


@cache
def plugin_model(entry: Entry) -> type[PluginConfig]:
    """The pydantic model of a plugin, made from its constructor's signature and docstring.

    Raises:
        PluginError: the class cannot be imported, or its signature cannot be written in YAML.
    """
    model = _model_of(entry, read_signature(entry, _reserved(entry.kind)))
    model.plugin = entry.load()
    return model


@cache
def outlined_model(entry: Entry) -> type[PluginConfig]:
    """The same model from the source text, so that nothing is imported; where that is not plain, ``plugin_model``."""
    signature = outline(entry, _reserved(entry.kind))
    try:
        return plugin_model(entry) if signature is None else _model_of(entry, signature)
    except PluginError:
        return plugin_model(entry)


def _model_of(entry: Entry, signature: Signature) -> type[PluginConfig]:
    fields: dict[str, Any] = {"name": (str, Field(entry.name, description=f"the {entry.kind}'s name"))}
    for parameter in signature.parameters:
        try:
            annotation = as_config(parameter.annotation)
        except TypeError as error:
            raise PluginError(f"{entry}: parameter {parameter.name!r} cannot be written in YAML: {error}") from error
        field = Field(parameter.default, alias=parameter.name, description=parameter.description)
        fields[_field(parameter.name)] = (annotation, field)
    own_fields = _KIND_FIELDS.get(entry.kind, {})
    model = create_model(f"{entry.kind}:{entry.name}", __base__=PluginConfig, **fields, **own_fields)
    model.kind, model.entry, model.signature = entry.kind, entry, signature
    return model


_SCALARS = (bool, int, str)


def as_config(annotation: Any) -> Any:
    """An annotation as a configuration has it: kinds become plugin references, scalars do not convert silently.

    Raises:
        TypeError: YAML cannot write values of this type.
    """
    if annotation is Any:
        return annotation
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return _class_as_config(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[(as_config(args[0]), *args[1:])]
    if origin in (Union, types.UnionType):
        return Union[tuple(as_config(arg) for arg in args)]  # noqa: UP007 (built from values)
    container = _CONTAINERS.get(origin)
    if container is not None:
        return container[tuple(arg if arg is ... else as_config(arg) for arg in args)]
    if origin is Literal:
        return annotation
    raise TypeError(f"{annotation} is not a type that YAML has")


def _class_as_config(cls: type) -> Any:
    kind = kind_of_class(cls)
    if kind is not None:
        return Annotated[Any, Plugin(kind)]
    if cls is float:
        return Annotated[float, Strict(), AllowInfNan(False)]
    if cls in _SCALARS:
        return Annotated[cls, Strict()]
    if cls in (Path, type(None), list, tuple, dict):
        return cls
    raise TypeError(f"{cls.__name__} is not a type that YAML has")


_CONTAINERS: dict[Any, Any] = {
    list: list,
    tuple: tuple,
    dict: dict,
    collections.abc.Sequence: list,
    collections.abc.Mapping: dict,
}

_Step = Annotated[int, Strict(), Field(ge=1)]

_KIND_FIELDS: dict[Kind, dict[str, Any]] = {
    "metric": {
        "field": (str | None, Field(None, description="the target field to compare; left out: all")),
        "steps": (
            tuple[_Step, _Step] | None,
            Field(None, description="first and last time step of the rollout to compare; left out: all"),
        ),
    },
    "loss": {
        "weight": (Annotated[Any, Plugin("schedule")], Field(FixedValue(1.0), description="factor in the total")),
        "every": (Annotated[int, Strict()], Field(1, ge=1, description="use the term on every n-th batch")),
        "sampler": (
            Annotated[Any, Plugin("sampler")] | None,
            Field(None, description="query points; left out: the experiment's sampler; null: all points"),
        ),
    },
}
"""Keys that every plugin of a kind has in a configuration, beside its own parameters."""


def _field(parameter: str) -> str:
    """The model's field for a parameter: another name where pydantic or ``PluginConfig`` use that one."""
    taken = parameter.startswith("_") or hasattr(PluginConfig, parameter) or parameter in PluginConfig.__annotations__
    return f"argument_{parameter}" if taken else parameter


def model_named(registry: Registry, kind: Kind, name: str) -> type[PluginConfig]:
    """The model of the plugin of this kind and name; see ``Registry.find`` and ``plugin_model`` for the errors."""
    entry = registry.find(kind, name)
    return outlined_model(entry) if registry.outlined else plugin_model(entry)


def _reserved(kind: Kind) -> list[str]:
    return ["name", *_KIND_FIELDS.get(kind, {})]


def _model(registry: Registry, kind: Kind, name: str) -> type[PluginConfig]:
    try:
        return model_named(registry, kind, name)
    except PluginError as error:
        raise _error(str(error), "refused") from error


def _fixed(value: float) -> FixedValue:
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if number - number != 0:
        raise _error(f"expected a finite number; got {shown(value)}")
    return FixedValue(number)


def _built(value: Any, runtime: Runtime | None) -> Any:
    if isinstance(value, PluginConfig):
        return value.build(runtime)
    if isinstance(value, list | tuple):
        return type(value)(_built(item, runtime) for item in value)
    if isinstance(value, dict):
        return {key: _built(item, runtime) for key, item in value.items()}
    return value


def _needs_runtime(value: Any) -> bool:
    if isinstance(value, PluginConfig):
        return value.needs_runtime()
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(_needs_runtime(item) for item in inside)


def _error(message: str, code: Literal["expected", "refused"] = "expected") -> PydanticCustomError:
    """An error of a reference to a plugin: another value is expected there, or this plugin refuses it."""
    return PydanticCustomError(code, "{message}", {"message": message})
