"""Standard output that is closed, full, or read by nobody: a run is worth more than what it shows."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from upt_core.remarks import remark
from upt_core.whole_file import in_words


class LastingOutput:
    """A stream that ends nothing: what cannot be written is told once, and all that follows goes nowhere.

    Args:
        stream: where texts go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = False

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes a text, where that is possible."""
        try:
            return len(text) if self._lost else self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Has everything written, where that is possible."""
        try:
            if not self._lost:
                self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._lost = True
        nobody = "its reader has closed" if isinstance(error, BrokenPipeError) else in_words(error, Path())
        remark(f"standard output cannot be written: {nobody}; the run continues, and prints nothing more there")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())  # the rest that the stream holds would fail again at the end
        os.close(nowhere)


def open_streams() -> None:
    """Where a standard stream is closed (``>&-``) it leads nowhere, instead of being None."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  to the end of the process
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


@contextmanager
def lasting_output() -> Iterator[None]:
    """A block in which standard output ends nothing."""
    before = sys.stdout
    sys.stdout = cast(TextIO, LastingOutput(before))
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout = before
