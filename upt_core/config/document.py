"""Files and overrides → one configuration as plain data that remembers where each value came from.

A file may say ``extends: base.yaml`` (or a list of files, each over those before it); the file itself goes on top. Its
keys are merged as ``upt_core.config.merge`` says. Overrides of the command line come last. A file in the form of
another system is translated first, by a converter that a distribution brings.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from upt_core.config.merge import apply_overrides, merge
from upt_core.config.yaml_text import Keys, Origins, parse_yaml
from upt_core.errors import ConfigError, Problem
from upt_core.figures import count
from upt_core.registry import Registry

EXTENDS = "extends"
OWN_SECTIONS = ("model", "losses", "trainer", "validation")
"""What every whole experiment in upt's own form has."""
MAX_BYTES = 1_000_000
"""A larger file is no configuration; it is refused unread."""
MAX_FILES = 100
"""How many files ``extends`` may bring together."""


@dataclass
class Document:
    """A configuration as plain data, and where each value came from.

    Args:
        data: mappings, lists and scalars.
        origins: keys from the root → "file:line:column", or the command line.
    """

    data: dict[str, Any]
    origins: Origins = field(default_factory=dict)

    @property
    def starts_elsewhere(self) -> bool:
        """Whether the model takes weights, and so perhaps its parts, from a trained operator."""
        model = self.data.get("model")
        return isinstance(model, dict) and "from" in model

    def origin(self, path: Keys) -> str:
        """Where a value came from, or the nearest part of the configuration around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return ""


@dataclass(frozen=True)
class Converted:
    """A document in upt's own form, whose values keep their places in the foreign file.

    Args:
        document: in upt's form.
        report: what became of each key, for people to read.
        lost: "key: value" of each key without a counterpart.
    """

    document: Document
    report: str
    lost: tuple[str, ...] = ()


@runtime_checkable
class Converter(Protocol):
    """Translates configurations of another system."""

    def recognises(self, document: Document) -> bool:
        """Whether a document is of that system, and not of upt."""
        ...

    def recognises_override(self, text: str) -> bool:
        """Whether ``key.path=value`` names a key of that system."""
        ...

    def convert(self, document: Document) -> Converted:
        """The document in upt's form.

        Raises:
            ConfigError: values that cannot be read, each with its place.
        """
        ...


def read_any(path: Path | str, overrides: Sequence[str], registry: Registry) -> tuple[Document, str | None]:
    """A file as a document in upt's form, and for a file of another system what became of its keys.

    Args:
        overrides: ``key.path=value``, of either form.

    Raises:
        ConfigError: the file cannot be read, or cannot be converted.
    """
    converter = converter_of(read(path), registry)
    if converter is None:
        return read(path, overrides), None
    converted = converter.convert(read(path, [text for text in overrides if converter.recognises_override(text)]))
    document = converted.document
    own = [text for text in overrides if not converter.recognises_override(text)]
    problems = apply_overrides(document.data, document.origins, own)
    if problems:
        raise ConfigError(problems)
    return document, converted.report


def converter_of(document: Document, registry: Registry) -> Converter | None:
    """The converter that recognises a document; None: it is in upt's own form.

    A document with all the sections that an experiment of upt's must have is not shown to any converter.
    """
    if all(section in document.data for section in OWN_SECTIONS):
        return None
    for extension in registry.extensions_of("converter").values():
        converter: Converter = extension.load()
        if converter.recognises(document):
            return converter
    return None


def read(path: Path | str, overrides: Sequence[str] = ()) -> Document:
    """A YAML file with the files that it extends, and ``key.path=value`` overrides (values parsed as YAML) on top.

    Raises:
        ConfigError: a file is missing, not YAML, not a mapping, has a key twice, or extends itself.
    """
    document = _Files().read(Path(path), "")
    problems = apply_overrides(document.data, document.origins, overrides)
    if problems:
        raise ConfigError(problems)
    return document


def parse(text: str, name: str) -> Document:
    """A configuration from text, which cannot extend files; ``name`` is what errors call it.

    Raises:
        ConfigError: not YAML, not a mapping, or a key occurs twice.
    """
    data, origins = parse_yaml(text, name)
    if data is None:
        raise _error(name, "is empty; expected an experiment", "upt init writes one to start from")
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else f"the value {str(data)[:40]!r}"
        raise _error(origins[()], f"expected a mapping of keys; got {kind}")
    return Document(data, origins)


class _Files:
    """Reads a file and those that it extends, and refuses circles."""

    def __init__(self) -> None:
        self._open: list[Path] = []
        self._count = 0

    def read(self, path: Path, asked_at: str) -> Document:
        """One file on top of what it extends; ``asked_at`` is where it is named."""
        self._enter(path, asked_at)
        document = parse(_text(path, asked_at), str(path))
        result = Document({}, {})
        for base, place in _bases(document):
            below = self.read(path.parent / base, place)
            result = Document(*merge(result.data, result.origins, below.data, below.origins))
        self._open.pop()
        return Document(*merge(result.data, result.origins, document.data, document.origins))

    def _enter(self, path: Path, asked_at: str) -> None:
        self._count += 1
        real = Path(os.path.realpath(path))
        if real in self._open:
            circle = " → ".join(file.name for file in [*self._open[self._open.index(real) :], real])
            raise _error(asked_at, f"the files extend each other in a circle: {circle}", path=(EXTENDS,))
        if self._count > MAX_FILES:
            raise _error(asked_at, f"more than {MAX_FILES} files are merged", path=(EXTENDS,))
        self._open.append(real)


def _bases(document: Document) -> list[tuple[Path, str]]:
    """The files that a document extends, each with the place where it is named; the key itself is taken out."""
    if EXTENDS not in document.data:
        return []
    value = document.data.pop(EXTENDS)
    names = value if isinstance(value, list) else [value]
    found = []
    for i, name in enumerate(names):
        place = document.origins.get((EXTENDS, i)) or document.origin((EXTENDS,))
        if not isinstance(name, str) or not name:
            raise _error(place, f"expected the path of a file, or a list of them; got {name!r}", path=(EXTENDS,))
        found.append((Path(name).expanduser(), place))
    for path in [known for known in document.origins if known[:1] == (EXTENDS,)]:
        del document.origins[path]
    return found


def _text(path: Path, asked_at: str) -> str:
    place = asked_at or str(path)
    subject = f"{path} " if asked_at else ""
    if path.is_dir():
        raise _error(place, f"{subject}is a folder; expected a file", _files_in(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise _error(place, f"{subject}does not exist", _files_in(path.parent)) from error
    except OSError as error:
        raise _error(place, f"{subject}cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise _error(place, f"{subject}is larger than {count(MAX_BYTES)} bytes; a configuration is a small text file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _error(place, f"{subject}is not text in UTF-8 (byte {error.start})", "is this a YAML file?") from error


def _files_in(folder: Path) -> str:
    names = sorted(p.name for p in folder.glob("*.y*ml")) if folder.is_dir() else []
    return f"in {folder}: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}" if names else ""


def _error(origin: str, message: str, hint: str = "", path: Keys = ()) -> ConfigError:
    return ConfigError([Problem(path, message, origin, hint)])
