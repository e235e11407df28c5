"""YAML text → plain data, and the line and column of every value in it.

The dialect is YAML 1.2's core schema (``1e-3`` is a number, ``no`` and ``on`` are words, ``010`` is ten), without
what makes a configuration ambiguous: keys that stand twice, merge keys (``<<``), tags, dates.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from upt_core.errors import ConfigError, Problem

Keys = tuple[str | int, ...]
Origins = dict[Keys, str]
MAX_NODES, MAX_DEPTH = 100_000, 50
"""More values, and deeper ones, than any experiment has: text that expands beyond it (nested aliases) is refused."""

_TOO_DEEP = "lists or mappings are nested too deeply"
_CORE = "tag:yaml.org,2002:"
_PATTERNS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}


class _Loader(yaml.SafeLoader):
    """Makes nodes; the scalars that are not words are those of the core schema."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own attribute)
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node with all in it; refused at the place where it is too deep."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, _TOO_DEEP, self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Writes what the loader reads back as it was."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own attribute)


for _tag, _pattern in _PATTERNS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_CORE + _tag, re.compile(f"^(?:{_pattern})$"), None)


def parse_yaml(text: str, name: str, show_place: bool = True) -> tuple[Any, Origins]:
    """Plain data and the origin of each value: keys from the root → "name:line:column".

    Args:
        name: what errors call the text: its file, or the command line.
        show_place: whether line and column are added to the name.

    Raises:
        ConfigError: not YAML, or a key that occurs twice; all such keys are reported at once.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_problem(error, text, name, show_place)]) from error
    except (ValueError, OverflowError) as error:  # PyYAML does not check the numbers of escapes like \\UFFFFFFFF
        raise ConfigError(
            [Problem((), "not valid YAML: an escape in a quoted text is not a character", name)]
        ) from error
    if node is None:
        return None, {}
    builder = _Builder(name, show_place)
    data = builder.build(node, ())
    if builder.problems:
        raise ConfigError(builder.problems)
    return data, builder.origins


def dump_yaml(data: Any, flow: bool | None = False) -> str:
    """Plain data as YAML text that ``parse_yaml`` reads back as the same data.

    Args:
        flow: True: with brackets, on one line; None: with brackets where nothing is nested, as a person writes it.
    """
    width = 10**9 if flow else 120
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=flow
    )
    return text


class _Builder:
    """Plain data from YAML nodes, noting the origin of each value and the problems that do not end the reading."""

    def __init__(self, name: str, show_place: bool) -> None:
        self.name = name
        self.show_place = show_place
        self.origins: Origins = {}
        self.problems: list[Problem] = []
        self._count = 0
        self._open: set[int] = set()

    def build(self, node: yaml.Node, path: Keys) -> Any:
        self._count += 1
        if self._count > MAX_NODES or id(node) in self._open:
            raise ConfigError([Problem(path, "aliases expand without end; write out the values", self._place(node))])
        if len(path) > MAX_DEPTH:
            raise ConfigError([Problem(path[:3], _TOO_DEEP, self._place(node))])
        self.origins.setdefault(path, self._place(node))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Keys) -> dict[Any, Any]:
        data: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in data:
                first = self.origins[(*path, key)]
                self._report(key_node, (*path, key), f"the key {key!r} occurs twice (first at {first})")
                continue
            self.origins[(*path, key)] = self._place(key_node)
            data[key] = self.build(value_node, (*path, key))
        return data

    def _key(self, node: yaml.Node, path: Keys) -> str | int | None:
        if isinstance(node, yaml.ScalarNode) and node.value == "<<" and not node.style:
            hint = "write out the keys, or put the shared part into a separate file and name it in extends"
            self._report(node, path, "'<<' (a merge key) is not part of YAML 1.2", hint)
            return None
        key = self._scalar(node, path) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, bool) or not isinstance(key, str | int):
            shown = repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list or mapping"
            self._report(node, path, f"{shown} cannot be a key; a word is expected", "quote it if it is meant as text")
            return None
        return key

    def _scalar(self, node: yaml.Node, path: Keys) -> Any:
        tag = node.tag.removeprefix(_CORE)
        if tag not in (*_PATTERNS, "str"):
            self._report(node, path, f"the tag {node.tag!r} has no meaning here", "write the plain value")
            return None
        try:
            return _value(tag, str(node.value))
        except ValueError:
            self._report(node, path, f"{str(node.value)[:40]!r} cannot be read as {tag}")
            return None

    def _report(self, node: yaml.Node, path: Keys, message: str, hint: str = "") -> None:
        self.problems.append(Problem(path, message, self._place(node), hint))

    def _place(self, node: yaml.Node) -> str:
        return _place(self.name, node.start_mark, self.show_place)


def _value(tag: str, text: str) -> Any:
    """A scalar of the core schema; text that does not have its tag's form (``!!int x``) is refused."""
    if tag == "str":
        return text
    if not re.fullmatch(_PATTERNS[tag], text):
        raise ValueError("the text does not have this form")
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _syntax_problem(error: yaml.YAMLError, text: str, name: str, show_place: bool) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        lines = text[: error.position].split("\n")
        place = f"{name}:{len(lines)}:{len(lines[-1]) + 1}" if show_place else name
        message = f"the character {text[error.position]!a} cannot stand in a text file"
        return Problem((), message, place, "is this a YAML file?")
    assert isinstance(error, yaml.MarkedYAMLError), error
    said = error.problem or str(error.context)
    unclosed = "end of stream" in said or "<stream end>" in said
    mark = error.context_mark if unclosed and error.context_mark else error.problem_mark
    return Problem((), f"not valid YAML: {said}", _place(name, mark, show_place), _hint(said))


def _place(name: str, mark: Any, show_place: bool) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if show_place and mark is not None else name


_HINTS = {
    "'\\t'": "indent with spaces; YAML does not allow tabs",
    "unexpected end of stream": "the quote that opens here is not closed",
    "<stream end>": "the bracket or brace that opens here is not closed",
    "',' or": "a bracket or brace is not closed, or a comma is missing",
    "expected <block end>": "keys of one mapping begin in the same column; compare with the lines above",
    "mapping values are not allowed": "text with ': ' needs quotes, and keys of one mapping the same indentation",
    "another document": "one file holds one experiment; remove the line '---'",
}


def _hint(said: str) -> str:
    return next((hint for part, hint in _HINTS.items() if part in said), "")
