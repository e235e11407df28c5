"""Configurations in the form of another system: found by a converter that a distribution brings, and translated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from upt_core.config.document import Document, read
from upt_core.config.overrides import apply_overrides
from upt_core.errors import ConfigError
from upt_core.registry import Registry


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


def converter_of(document: Document, registry: Registry) -> Converter | None:
    """The converter that recognises a document; None: it is in upt's own form."""
    for extension in registry.extensions_of("converter").values():
        converter: Converter = extension.load()
        if converter.recognises(document):
            return converter
    return None


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
