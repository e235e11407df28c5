"""What distributions bring beside plugins for YAML: commands of ``upt``, converters of foreign configurations."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any, Literal

from upt_core.errors import PluginError
from upt_core.registry.distribution import Distribution

Role = Literal["command", "converter"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PATH = re.compile(r"\w+(\.\w+)*:\w+")


@dataclass(frozen=True)
class Extension:
    """A command or a converter: an object, or the path of one that is imported at first use."""

    role: Role
    name: str
    target: Any
    distribution: Distribution

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _NAME.fullmatch(self.name)):
            raise PluginError(f"{self.name!r} cannot be the name of a {self.role}; use letters, digits, '_' and '-'")
        if isinstance(self.target, str) and not _PATH.fullmatch(self.target):
            raise PluginError(
                f"{self.role} {self.name!r} is registered as {self.target!r}; "
                "expected an object or 'package.module:attribute'"
            )

    def __str__(self) -> str:
        return f"{self.role} {self.name!r} of {self.distribution}"

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
