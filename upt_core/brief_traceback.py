"""What IPython shows of an exception that is meant for the user: their own lines and the message, not upt's inside."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType

SHELLS = ("IPython", "ipykernel")


class Brief:
    """Of an exception class: a notebook shows a few lines. ``traceback.print_last()`` still shows all."""

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython prints."""
        assert isinstance(self, BaseException)
        said = traceback.TracebackException(type(self), self, None, compact=True)
        message = "".join(said.format_exception_only()).rstrip()
        return [*_own_lines(self.__traceback__), message.removeprefix(f"{type(self).__module__}.")]


def _own_lines(at: TracebackType | None) -> Iterator[str]:
    """The lines of the caller, down to the first one of upt."""
    for frame, number in traceback.walk_tb(at):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package == __name__.partition(".")[0]:
            return
        if package not in SHELLS:
            summary = traceback.FrameSummary(frame.f_code.co_filename, number, frame.f_code.co_name)
            where = "line" if package == "__main__" else f"{frame.f_code.co_filename}, line"
            yield f"{where} {number}: {summary.line}"
