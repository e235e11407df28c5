"""YAML with line numbers and overrides → a validated configuration; every error says where its value came from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from upt_core.errors import ConfigError, Problem

Keys = tuple[str | int, ...]
MAX_NODES = 100_000
"""More nodes than any experiment has: a file that expands beyond it (nested aliases) is refused."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema: ``1e-3`` is a number, ``no`` and ``on`` are words."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


@dataclass
class Document:
    """A configuration as plain data, and where each value came from.

    Args:
        data: mappings, lists and scalars.
        origins: keys from the root → "file:line:column", or the command line.
        folder: relative paths in the configuration are relative to this.
    """

    data: dict[str, Any]
    origins: dict[Keys, str] = field(default_factory=dict)
    folder: Path = field(default_factory=Path)

    def origin(self, path: Keys) -> str:
        """Where a value came from, or the nearest part of the configuration around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return ""


def read(path: Path | str, overrides: Sequence[str] = ()) -> Document:
    """A YAML file, with ``key.path=value`` overrides (values parsed as YAML) put on top.

    Raises:
        ConfigError: the file is missing, not YAML, not a mapping, or has a key twice.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise _error(str(path), "there is no such file", _near_files(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _error(str(path), f"cannot be read as UTF-8 text: {error}") from error
    document = parse(text, str(path))
    document.folder = path.parent
    for override in overrides:
        apply_override(document, override)
    return document


def parse(text: str, name: str) -> Document:
    """A configuration from text; ``name`` is what errors call it."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise _error(place, f"not valid YAML: {problem}", _yaml_hint(problem)) from error
    if node is None:
        raise _error(name, "the file is empty; an experiment is expected")
    document = Document({})
    data = _Builder(name, document.origins).build(node, ())
    if not isinstance(data, dict):
        raise _error(f"{name}:1:1", f"expected a mapping of keys at the top; got {type(data).__name__}")
    document.data = data
    return document


def apply_override(document: Document, override: str) -> None:
    """Sets ``key.path=value``; parts between are made where absent, list items are addressed by number."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise _error("command line", f"{override!r} is not an override; expected key.path=value")
    path: Keys = tuple(int(part) if part.isdigit() else part for part in key.strip().split("."))
    origin = f"command line ({override})"
    node = yaml.compose(text, Loader=_Loader)
    value = None if node is None else _Builder(origin, {}).build(node, ())
    _set(document.data, path, value, origin)
    for stale in [known for known in document.origins if known[: len(path)] == path]:
        del document.origins[stale]
    document.origins[path] = origin


def _set(container: Any, path: Keys, value: Any, origin: str) -> None:
    for i, key in enumerate(path):
        last = i == len(path) - 1
        where = ".".join(map(str, path[:i])) or "the configuration"
        if isinstance(container, dict):
            if last:
                container[key] = value
            elif not isinstance(container.get(key), dict | list):
                # A bare plugin name may be given parameters: `sampler: uniform` with sampler.num_queries=64.
                container[key] = {"name": container[key]} if isinstance(container.get(key), str) else {}
        elif isinstance(container, list):
            if not isinstance(key, int) or key >= len(container):
                raise _error(origin, f"{where} is a list of {len(container)}; {key!r} is not one of its items")
            if last:
                container[key] = value
        if not last:
            container = container[key]


class _Builder:
    """Plain data from YAML nodes, noting the origin of each value."""

    def __init__(self, name: str, origins: dict[Keys, str]) -> None:
        self.name = name
        self.origins = origins
        self.count = 0
        self.open: set[int] = set()
        self.constructor = _Loader("")

    def build(self, node: yaml.Node, path: Keys) -> Any:
        self.count += 1
        if self.count > MAX_NODES or id(node) in self.open:
            raise _error(self._place(node), "aliases expand without end; write the values out", path=path)
        self.origins.setdefault(path, self._place(node))
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self.open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Keys) -> dict[Any, Any]:
        data: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node, path) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str | int) or isinstance(key, bool) or key == "<<":
                raise _error(self._place(key_node), f"{_text(key_node)} cannot be a key; a word is expected", path=path)
            if key in data:
                first = self.origins.get((*path, key), "")
                raise _error(self._place(key_node), f"the key {key!r} stands twice (first at {first})", path=path)
            self.origins[(*path, key)] = self._place(key_node)
            data[key] = self.build(value_node, (*path, key))
        return data

    def _scalar(self, node: yaml.Node, path: Keys) -> Any:
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.endswith((":binary", ":timestamp", ":set")):
            raise _error(self._place(node), f"the tag {node.tag} has no meaning here", path=path)
        try:
            return self.constructor.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise _error(self._place(node), f"cannot be read: {error}", path=path) from error

    def _place(self, node: yaml.Node) -> str:
        mark = node.start_mark
        return self.name if self.name.startswith("command line") else f"{self.name}:{mark.line + 1}:{mark.column + 1}"


def _text(node: yaml.Node) -> str:
    return repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list or mapping"


def _error(origin: str, message: str, hint: str = "", path: Keys = ()) -> ConfigError:
    return ConfigError([Problem(path, message, origin, hint)])


def _near_files(path: Path) -> str:
    near = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return f"files there: {', '.join(near[:8])}" if near else ""


def _yaml_hint(problem: str) -> str:
    return "YAML is indented with spaces, not tabs" if "\\t" in problem else ""


def walk(data: Any, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every value of plain data with its keys from the root, containers included."""
    yield path, data
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from walk(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from walk(value, (*path, i))
