"""kind + name → class, and which distribution brought it; commands and converters by name."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from upt_core.errors import PluginError

Kind = Literal[
    "dataset",
    "sampler",
    "encoder",
    "approximator",
    "decoder",
    "loss",
    "schedule",
    "metric",
    "optimizer",
    "callback",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Role = Literal["command", "converter"]
ROLES: tuple[Role, ...] = get_args(Role)
"""What distributions bring beside plugins: YAML does not name it."""
_MODULES = {
    "encoder": "upt_core.model",
    "approximator": "upt_core.model",
    "decoder": "upt_core.model",
    "loss": "upt_core.step",
}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_EXTENSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PATH = re.compile(r"\w+(\.\w+)*:\w+")


@dataclass(frozen=True)
class Distribution:
    """An installed distribution that brings plugins."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Entry:
    """One registered plugin: a class, or the path of one that is imported at first use."""

    kind: Kind
    name: str
    target: type | str
    distribution: Distribution

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _NAME.fullmatch(self.name)):
            raise PluginError(
                f"{self.name!r} cannot be the name of a {self.kind}; use letters, digits, '_', '-' and '.'"
            )
        if not (isinstance(self.target, type) or (isinstance(self.target, str) and _PATH.fullmatch(self.target))):
            raise PluginError(
                f"{self.kind} {self.name!r} is registered as {self.target!r}; "
                "expected a class or 'package.module:Class'"
            )

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of {self.distribution}"

    @property
    def path(self) -> str:
        """``package.module:Class``."""
        return self.target if isinstance(self.target, str) else f"{self.target.__module__}:{self.target.__qualname__}"

    def load(self) -> type:
        """The class.

        Raises:
            PluginError: it cannot be imported, or is not of its kind.
        """
        cls = self._import() if isinstance(self.target, str) else self.target
        base = kind_class(self.kind)
        if not (isinstance(cls, type) and issubclass(cls, base)):
            raise PluginError(f"{self} is {cls!r}; it must be a subclass of upt_core.{base.__name__}")
        return cls

    def _import(self) -> type:
        module, _, attribute = self.path.partition(":")
        try:
            loaded: type = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # a stranger's import may raise anything
            raise PluginError(
                f"{self} cannot be imported from {self.path!r}: {type(error).__name__}: {error}"
            ) from error
        return loaded


@dataclass(frozen=True)
class Extension:
    """A command or a converter: an object, or the path of one that is imported at first use."""

    kind: Role
    name: str
    target: Any
    distribution: Distribution

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _EXTENSION_NAME.fullmatch(self.name)):
            raise PluginError(f"{self.name!r} cannot be the name of a {self.kind}; use letters, digits, '_' and '-'")
        if isinstance(self.target, str) and not _PATH.fullmatch(self.target):
            raise PluginError(
                f"{self.kind} {self.name!r} is registered as {self.target!r}; "
                "expected an object or 'package.module:attribute'"
            )

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of {self.distribution}"

    def load(self) -> Any:
        """The object.

        Raises:
            PluginError: it cannot be imported.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except PluginError:
            raise
        except Exception as error:  # a stranger's import may raise anything
            raise PluginError(
                f"{self} cannot be imported from {self.target!r}: {type(error).__name__}: {error}"
            ) from error


@dataclass(frozen=True)
class BrokenPlugin:
    """A distribution whose entry point could not be loaded."""

    entry_point: str
    distribution: Distribution
    cause: str

    def __str__(self) -> str:
        return f"{self.entry_point} of {self.distribution} ({self.cause})"


@dataclass
class Registry:
    """What is installed. A broken or doubly claimed name stops only those who ask for it.

    Args:
        outlined: whether plugins are known by their source text alone, so that none is imported.
    """

    entries: dict[tuple[Kind, str], list[Entry]] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)
    outlined: bool = False
    extensions: dict[tuple[Role, str], list[Extension]] = field(default_factory=dict)

    def register(self, entry: Entry) -> None:
        """Adds a plugin. A second claim of a name is kept, and refused when the name is used."""
        claims = self.entries.setdefault((entry.kind, entry.name), [])
        if entry not in claims:
            claims.append(entry)

    def names(self, kind: Kind) -> list[str]:
        """All names of a kind, sorted."""
        return sorted(name for other, name in self.entries if other == kind)

    def find(self, kind: Kind, name: str) -> Entry:
        """The plugin of this kind and name.

        Raises:
            PluginError: unknown (the message lists the near names and all there are), or claimed twice.
        """
        claims = self.entries.get((kind, name), [])
        if not claims:
            raise PluginError(self._unknown(kind, name))
        if len(claims) > 1:
            who = " and by ".join(f"{entry.distribution} ({entry.path})" for entry in claims)
            raise PluginError(f"{kind} {name!r} is claimed by {who}; uninstall one, or ask its author for another name")
        return claims[0]

    def load(self, kind: Kind, name: str) -> type:
        """The class of this kind and name; see ``find`` and ``Entry.load`` for the errors."""
        return self.find(kind, name).load()

    def extend(self, extension: Extension) -> None:
        """Adds a command or a converter. A second claim of a name is kept, and refused when the name is used."""
        claims = self.extensions.setdefault((extension.kind, extension.name), [])
        if extension not in claims:
            claims.append(extension)

    def extensions_of(self, role: Role) -> dict[str, Extension]:
        """Every command, or every converter, by name; names that two distributions claim are left out."""
        return {
            name: claims[0]
            for (other, name), claims in sorted(self.extensions.items())
            if other == role and len(claims) == 1
        }

    def extension(self, role: Role, name: str) -> Extension | None:
        """The command or converter of this name, if there is one.

        Raises:
            PluginError: two distributions claim the name.
        """
        claims = self.extensions.get((role, name), [])
        if len(claims) > 1:
            who = " and by ".join(str(claim.distribution) for claim in claims)
            raise PluginError(f"{role} {name!r} is claimed by {who}; uninstall one, or ask its author for another name")
        return claims[0] if claims else None

    def conflicts(self) -> list[list[Entry]]:
        """Names that more than one plugin claims."""
        return [claims for claims in self.entries.values() if len(claims) > 1]

    def _unknown(self, kind: Kind, name: str) -> str:
        import difflib  # late: help needs none

        known = self.names(kind)
        near = difflib.get_close_matches(name, known, n=3)
        parts = [f"no {kind} is called {name!r}"]
        if near:
            parts.append("did you mean " + " or ".join(repr(other) for other in near) + "?")
        elsewhere = [other for other in KINDS if other != kind and (other, name) in self.entries]
        if elsewhere:
            parts.append(f"{name!r} is the name of {' and '.join(map(with_article, elsewhere))}")
        parts.append(f"known: {', '.join(known) or 'none'}")
        if self.broken:
            parts.append(f"plugins that could not be loaded: {', '.join(map(str, self.broken))}")
        return "; ".join(parts)


def kind_class(kind: Kind) -> type:
    """The abstract class of a kind."""
    cls: type = getattr(importlib.import_module(_module_of(kind)), class_name(kind))
    return cls


def class_name(kind: Kind) -> str:
    """The name of a kind's abstract class."""
    return "LossTerm" if kind == "loss" else kind.capitalize()


def kind_of_class(cls: type) -> Kind | None:
    """The kind whose abstract class this is. Imports nothing."""
    same = (kind for kind in KINDS if (cls.__module__, cls.__qualname__) == (_module_of(kind), class_name(kind)))
    return next(same, None)


def _module_of(kind: Kind) -> str:
    """Where a kind's abstract class is. Parts of a model and loss terms need torch; the other kinds do not."""
    return _MODULES.get(kind, "upt_core.kinds")


def with_article(kind: Kind | Role) -> str:
    """ "a sampler", "an encoder"."""
    return f"{'an' if kind[0] in 'aeo' else 'a'} {kind}"
