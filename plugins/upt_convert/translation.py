"""An old configuration being translated: every key that is read says what it became."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from upt_convert.report import Line, Report
from upt_core.commands import Document, Keys, Problem, shown

LARGEST = 1e300
"""No number of a configuration is larger."""


class Translation:
    """The old document, the new one, and a note at every old key that was read.

    Keys are written with dots: ``training.batch_size``.

    Args:
        old: the document as it was read; it is not changed.
    """

    def __init__(self, old: Document) -> None:
        self.old = old
        self.new = Document({}, {(): old.origins.get((), "")})
        self.problems: list[Problem] = []
        self._notes: dict[Keys, str] = {}
        self._remarks: list[str] = []

    def get(self, old: str, default: Any = None) -> Any:
        """The value of an old key; ``default`` where it is absent or null."""
        value: Any = self.old.data
        for key in old.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return default if value is None else value

    def has(self, old: str) -> bool:
        """Whether an old key is written, null included."""
        *parents, last = old.split(".")
        inside = self.get(".".join(parents)) if parents else self.old.data
        return isinstance(inside, Mapping) and last in inside

    def first(self, section: str, names: tuple[str, ...]) -> str | None:
        """The first of several spellings of a key that is written in a section, with the section before it."""
        return next((f"{section}.{name}" for name in names if self.has(f"{section}.{name}")), None)

    def number(self, old: str, default: float) -> float:
        """The number of an old key; another value, or one beyond all sizes, is noted as a problem."""
        value = self.get(old, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
            self.problem(old, f"expected a number; got {shown(value)}")
            return default
        return value

    def flag(self, old: str, default: bool) -> bool:
        """The true or false of an old key; another value is noted as a problem."""
        value = self.get(old, default)
        if not isinstance(value, bool):
            self.problem(old, f"expected true or false; got {shown(value)}")
            return default
        return value

    def problem(self, old: str, message: str, hint: str = "") -> None:
        """Something that cannot be translated."""
        path: Keys = tuple(old.split("."))
        self.problems.append(Problem(path, message, self.old.origin(path), hint))
        self.say(old, "cannot be read")

    def put(self, new: str, value: Any, old: str = "") -> None:
        """A value of the new document; ``old`` is the key that it comes from."""
        *parents, last = new.split(".")
        inside = self.new.data
        for key in parents:
            inside = inside.setdefault(key, {})
        inside[last] = value
        if old:
            self.new.origins[tuple(new.split("."))] = self.old.origin(tuple(old.split(".")))

    def made(self, new: str) -> Any:
        """A value of the new document; None where there is none yet."""
        value: Any = self.new.data
        for key in new.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def move(self, old: str | None, new: str, change: Callable[[Any], Any] = lambda value: value) -> bool:
        """Takes a key over, if it is written; whether it was."""
        if old is None or not self.has(old):
            return False
        value = change(self.get(old))
        self.put(new, value, old)
        self.say(old, f"{new}: {shown(value)}")
        return True

    def say(self, old: str, text: str) -> None:
        """What an old key, and all below it, became. Keys that are absent have nothing to say."""
        if self.has(old):
            self._notes[tuple(old.split("."))] = text

    def remark(self, text: str) -> None:
        """What was decided where no key stands; said once."""
        if text not in self._remarks:
            self._remarks.append(text)

    def report(self, hints: Mapping[str, str]) -> Report:
        """One line for every key of the old document.

        Args:
            hints: the last word of a key without a counterpart → what to use instead.
        """
        lines = []
        for path, value in _leaves(self.old.data, ()):
            became = next((self._notes[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._notes), "")
            hint = "" if became else hints.get(str(path[-1]), "")
            lines.append(Line(path, shown(value), self.old.origin(path), became, hint))
        return Report(tuple(lines), tuple(self._remarks))


def _leaves(value: Any, path: Keys) -> Iterator[tuple[Keys, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value
