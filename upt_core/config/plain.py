"""A validated configuration as plain data, and the plugins that it uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from upt_core.config.schema import PluginConfig
from upt_core.config.sections import StageSettings, TaskSettings
from upt_core.kinds import FixedValue


def as_plain(value: Any, folder: Path | None = None) -> Any:
    """A configuration as plain data, defaults filled in: what is written beside a run and read back.

    Args:
        folder: what relative paths of data files are relative to; they are written as absolute. None: left as they are.
    """
    if isinstance(value, FixedValue):
        return value.value
    if isinstance(value, BaseModel):
        return {key: as_plain(item, folder) for key, item in _items(value)}
    if isinstance(value, Mapping):
        return {key: as_plain(item, folder) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item, folder) for item in value]
    if isinstance(value, Path):
        return str(value if folder is None else folder / value.expanduser())
    return value


def plugins_of(value: Any) -> list[PluginConfig]:
    """Every plugin that a configuration uses, nested ones included."""
    found = [value] if isinstance(value, PluginConfig) else []
    if isinstance(value, BaseModel):
        inside: list[Any] = [item for _, item in _items(value)]
    elif isinstance(value, Mapping):
        inside = list(value.values())
    else:
        inside = list(value) if isinstance(value, list | tuple) else []
    for item in inside:
        found += plugins_of(item)
    return found


def _items(config: BaseModel) -> Iterator[tuple[str, Any]]:
    """The keys of a section or plugin, as YAML has them."""
    for name, field in type(config).model_fields.items():
        inherits = isinstance(config, StageSettings | TaskSettings) or (name == "sampler" and _is_loss(config))
        if inherits and name not in config.model_fields_set:
            continue  # left out means that of the experiment, null means none
        yield field.alias or name, getattr(config, name)


def _is_loss(config: BaseModel) -> bool:
    return isinstance(config, PluginConfig) and config.kind == "loss"
