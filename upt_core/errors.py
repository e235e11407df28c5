"""Errors meant for the person who runs upt: each names the place, what came, and the cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class UserError(ValueError):
    """Something outside the code is wrong; the message says where, what, and what to do. The CLI exits with 2."""


class DataError(UserError):
    """A data file is missing, truncated, has another layout, or holds values that cannot be trained on."""


class CheckpointError(UserError):
    """A checkpoint cannot be read, or belongs to another architecture or another set of plugins."""


class PluginError(UserError):
    """A plugin is unknown, broken, or claimed by two distributions."""


class EndRun(Exception):  # noqa: N818  it is no error
    """Raised by a listener that means to end the run at once, without test figures; subclass it to know it again.

    To end a run as if it had trained its last epoch, call ``trainer.control.stop(reason)``.
    """


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a configuration.

    Args:
        path: where in the configuration, as keys from the root.
        message: what came and what was expected.
        origin: the file, line and column (or the command line) that the value came from.
        hint: what to do, for example the nearest valid name.
        owner: the plugin that declares the value, with its distribution.
    """

    path: tuple[str | int, ...]
    message: str
    origin: str = ""
    hint: str = ""
    owner: str = ""

    def __str__(self) -> str:
        where = ".".join(str(key) for key in self.path)
        text = ": ".join(part for part in (self.origin, where, self.message) if part)
        below = (self.hint, f"declared by {self.owner}" if self.owner else "")
        return "".join([text, *(f"\n    {line}" for line in below if line)])


class ConfigError(UserError):
    """A configuration is wrong. Holds every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
