"""Errors meant for the person who runs upt: each names the place, what came, and the cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upt_core.brief_traceback import Brief

LONGEST = 3600
"""Characters of a message: what comes from files may be of any length, and nobody reads more than a screen."""


def readable(text: str, limit: int = LONGEST) -> str:
    """Text for a screen: what cannot be printed is escaped, and the middle of what is too long is left out."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text[: 4 * limit])
    if len(text) <= limit:
        return text
    return f"{text[: limit * 2 // 3]} … {text[-(limit // 3 - 3) :]}"


class UserError(Brief, ValueError):
    """Something outside the code is wrong; the message says where, what, and what to do. The CLI exits with 2.

    A notebook shows the line of the cell and the message; ``traceback.print_last()`` shows the whole traceback.
    """

    def __str__(self) -> str:
        return readable(super().__str__())


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
        where = ".".join(readable(str(key), 60) for key in self.path[:20])
        said = (readable(self.origin, 300), where, readable(self.message, 900))
        text = ": ".join(part for part in said if part)
        below = (readable(self.hint, 900), f"declared by {self.owner}" if self.owner else "")
        return "".join([text, *(f"\n    {line}" for line in below if line)])


class ConfigError(UserError):
    """A configuration is wrong. Holds every problem found, not only the first; the text has as many as one reads."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.told))

    @property
    def told(self) -> list[str]:
        """The problems one by one, until they fill a screen; then how many more there are."""
        texts: list[str] = []
        for problem in self.problems:
            texts.append(str(problem))
            left = len(self.problems) - len(texts)
            if left and sum(map(len, texts)) > LONGEST // 2:
                return [*texts, f"and {left} more problems; correct the ones above first"]
        return texts
