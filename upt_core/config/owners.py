"""Which section or plugin governs a place in a configuration, and so declares the keys there."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from upt_core.config.schema import Plugin, model_named
from upt_core.config.sections import ExperimentSettings
from upt_core.config.yaml_text import Keys
from upt_core.errors import PluginError
from upt_core.registry import Kind, Registry

Model = type[BaseModel]


def owner_of(data: Any, path: Keys, registry: Registry) -> Model | None:
    """The model of the mapping at a path; None where it is none, or names a plugin that is not there."""
    annotation: Any = ExperimentSettings
    for key in path:
        annotation = _inside(annotation, data, key, registry)
        data = _item(data, key)
    return _model(annotation, data, registry)


def keys_of(model: Model) -> dict[str, FieldInfo]:
    """The keys of a section or plugin as YAML has them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def kind_of(field: FieldInfo) -> Kind | None:
    """The kind of plugin that a key takes, directly or as the items of a list or mapping."""
    return next(_kinds(_annotation(field)), None)


def _kinds(annotation: Any) -> Iterator[Kind]:
    for option in _options(annotation):
        if isinstance(option, Plugin):
            yield option.kind
        elif get_origin(option) in (list, tuple, dict):
            for item in get_args(option):
                yield from _kinds(item)


def _annotation(field: FieldInfo) -> Any:
    """A field's annotation with the metadata that pydantic has taken off it."""
    return Annotated[(field.annotation, *field.metadata, None)]


def _item(data: Any, key: str | int) -> Any:
    if isinstance(data, Mapping):
        return data.get(key)
    return data[key] if isinstance(data, list) and isinstance(key, int) and key < len(data) else None


def _inside(annotation: Any, data: Any, key: str | int, registry: Registry) -> Any:
    """The annotation of one item of what an annotation describes."""
    model = _model(annotation, data, registry)
    if model is not None:
        field = keys_of(model).get(str(key))
        return None if field is None else _annotation(field)
    for option in _options(annotation):
        items = [item for item in get_args(option) if item is not ...]
        if items and get_origin(option) in (list, tuple, dict):
            return (
                items[key] if get_origin(option) is tuple and isinstance(key, int) and key < len(items) else items[-1]
            )
    return None


def _model(annotation: Any, data: Any, registry: Registry) -> Model | None:
    name = data.get("name") if isinstance(data, Mapping) else data
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
        if isinstance(option, Plugin) and isinstance(name, str):
            try:
                return model_named(registry, option.kind, name)
            except PluginError:
                return None
    return None


def _options(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation: members of unions, and references to plugins."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from (item for item in args[1:] if isinstance(item, Plugin))
        yield from _options(args[0])
    elif origin in (Union, types.UnionType):
        for option in args:
            yield from _options(option)
    else:
        yield annotation
