"""One line to the person at the terminal from wherever upt is; it never ends what it is about."""

from __future__ import annotations

import contextlib
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from typing import Any

Hearer = Callable[[str], None]

_hearers: list[Hearer] = []


def remark(text: str) -> None:
    """Writes a line to the standard error stream; where that is closed or full, nobody could read it anyway."""
    with contextlib.suppress(OSError, ValueError):
        print(_fitted(f"remark: {text}"), file=sys.stderr, flush=True)
    _tell(text)


def _fitted(line: str) -> str:
    """A line broken between words where it goes to a terminal that is too narrow for it."""
    if not sys.stderr.isatty():
        return line
    width = shutil.get_terminal_size().columns
    wrapped = textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapped)


@contextlib.contextmanager
def heard_by(hearer: Hearer) -> Iterator[None]:
    """Within the block the hearer is told every remark, and every Python warning that is shown, beside the terminal.

    Args:
        hearer: gets the text, of warnings with their category before it.
    """
    shown = warnings.showwarning

    def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
        shown(message, category, *place, **more)
        _tell(f"{category.__name__}: {message}")

    _hearers.append(hearer)
    warnings.showwarning = show
    try:
        yield
    finally:
        if warnings.showwarning is show:  # else somebody else has put a hearer of their own there
            warnings.showwarning = shown
        _hearers.remove(hearer)


def _tell(text: str) -> None:
    for hearer in _hearers:
        hearer(text)
