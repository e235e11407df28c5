"""A first configuration, written from the schema: every key with its meaning, defaults commented out."""

from __future__ import annotations

import dataclasses
import difflib
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from upt_core.config.json_schema import usable
from upt_core.config.owners import keys_of, kind_of
from upt_core.config.schema import PluginConfig
from upt_core.config.sections import ExperimentSettings, as_plain
from upt_core.config.yaml_text import dump_yaml
from upt_core.errors import UserError
from upt_core.registry import Kind, Registry

SCHEMA_FILE = "upt.schema.json"


@dataclasses.dataclass(frozen=True)
class Choice:
    """A plugin of a first experiment: its name, its key among several, and values that differ from its defaults."""

    plugin: str
    key: str = ""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)


CHOSEN: dict[str, tuple[Choice, ...]] = {
    "data": (Choice("burgers1d"),),
    "encoder": (Choice("patches"),),
    "approximator": (Choice("spectral"),),
    "decoder": (Choice("basis", values={"functions": 6}),),
    "sampler": (Choice("jittered", values={"share": 1.0, "base": {"name": "stratified", "num_queries": 64}}),),
    "losses": (
        Choice("forward", values={"norm": "relative"}),
        Choice("inverse_encoding", values={"norm": "relative"}),
        Choice("forward", "consistency", {"norm": "relative", "space": "latent"}),
    ),
    "optimizer": (Choice("soap"),),
    "lr_schedule": (Choice("warmup_cosine", values={"warmup_share": 0.05}),),
    "metrics": (Choice("relative_l2"),),
}
"""What a first experiment uses at each key, where it is installed; else the first that needs no parameters."""
EXAMPLES: dict[str, Any] = {"epochs": 10, "tokens": [64], "dim": 16, "clip_norm": None}
"""Values of keys that have no default, or one that does not suit a first experiment."""

SHIPPED = (Path(sys.prefix) / "share/upt/configs", Path(__file__).parents[2] / "configs")
"""Folders of upt's own configurations: of the installed wheel, and of a checkout, which counts where both exist."""

_SCHEMA_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"
_HEADER = f"""\
{_SCHEMA_LINE}
# An experiment. Lines that are commented out show defaults.
# upt check FILE checks it, upt train FILE trains it, upt plugins lists the names that it can use.
"""


def starter(registry: Registry) -> str:
    """The text of a commented configuration that can be trained as it is."""
    return _HEADER + "\n".join(_section(ExperimentSettings, registry, 0)) + "\n"


def _section(model: type[BaseModel], registry: Registry, depth: int) -> Iterator[str]:
    for key, field in keys_of(model).items():
        if depth == 0:
            yield ""
        kind = kind_of(field)
        yield from _comment(field, depth)
        if kind is not None:
            yield from _plugins(key, field, kind, registry, depth)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            inner = list(_section(field.annotation, registry, depth + 1))
            if all(line.lstrip().startswith("#") for line in inner) and not field.is_required():
                yield _indent(_value(key, field), depth)  # a mapping without keys is none
            else:
                yield from (_indent(f"{key}:", depth), *inner)
        else:
            yield _indent(_value(key, field), depth)


def _plugins(key: str, field: FieldInfo, kind: Kind, registry: Registry, depth: int) -> Iterator[str]:
    """A key that takes a plugin, or several by name."""
    models = usable(registry, kind)
    yield from _wrapped(f"one of: {', '.join(models) or 'none is installed'}", depth)
    chosen = [choice for choice in CHOSEN.get(key, ()) if choice.plugin in models]
    if not chosen and field.is_required():
        chosen = [Choice(name) for name in models if not _required(models[name])][:1]
    if not chosen:
        yield _indent(_value(key, field), depth)
        return
    yield _indent(f"{key}:", depth)
    many = get_origin(field.annotation) is dict
    for choice in chosen:
        if many:
            yield _indent(f"{choice.key or choice.plugin}:", depth + 1)
        yield from _plugin(choice, models[choice.plugin], depth + 1 + many)


def _plugin(choice: Choice, model: type[PluginConfig], depth: int) -> Iterator[str]:
    yield _indent(f"name: {choice.plugin}", depth)
    for key, field in keys_of(model).items():
        if key != "name":
            yield from _comment(field, depth)
            yield _indent(_value(key, field, choice.values), depth)


def _required(model: type[PluginConfig]) -> bool:
    return any(field.is_required() and key not in EXAMPLES for key, field in keys_of(model).items())


def _value(key: str, field: FieldInfo, values: Mapping[str, Any] = EXAMPLES) -> str:
    """``key: example``, its default as a comment, or an empty value that must be filled in."""
    if key in values:
        return f"{key}: {_inline(values[key])}"
    if field.is_required():
        return f"{key}:"
    return f"# {key}: {_inline(field.get_default(call_default_factory=True))}"


def _inline(value: Any) -> str:
    return dump_yaml([as_plain(value)], flow=True).strip()[1:-1]


def _comment(field: FieldInfo, depth: int) -> Iterator[str]:
    return _wrapped(field.description or "", depth)


def _wrapped(text: str, depth: int) -> Iterator[str]:
    for line in textwrap.wrap(text, 110 - 2 * depth):
        yield _indent(f"# {line}", depth)


def _indent(text: str, depth: int) -> str:
    return "  " * depth + text


def shipped(name: str) -> str:
    """The text of a configuration that upt brings, for a file of one's own.

    Raises:
        UserError: there is none of this name.
    """
    found = {path.stem: path for folder in SHIPPED for path in sorted(folder.glob("*.yaml"))}
    if name.removesuffix(".yaml") not in found:
        near = difflib.get_close_matches(name, found, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UserError(f"upt has no configuration {name!r}{hint}; it has: {', '.join(found) or 'none'}")
    text = found[name.removesuffix(".yaml")].read_text(encoding="utf-8")
    return f"{_SCHEMA_LINE}\n{text}"
