"""A file that is opened at first use, anew in each process, and refused once it has changed."""

from __future__ import annotations

import os
import weakref
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from upt_core import DataError

MOST_OPEN = 64
"""Files that a process holds open at once; the one that was not used for longest is closed."""


class Closes(Protocol):
    """Something that can be closed."""

    def close(self) -> None:
        """Gives the file back."""


S = TypeVar("S", bound=Closes)
_open: OrderedDict[int, weakref.ref[Handle[Any]]] = OrderedDict()


class Handle(Generic[S]):
    """A file and how to open it; can be sent to another process, which opens it itself.

    Args:
        path: the file.
        opener: opens it; a function of a module, so that it can be sent.
    """

    def __init__(self, path: Path, opener: Callable[[Path], S]) -> None:
        self.path = path
        self._opener = opener
        self._stamp: tuple[int, int] | None = None
        self._source: S | None = None
        self._process = -1

    def get(self) -> S:
        """The open file of this process.

        Raises:
            DataError: it changed since it was opened first: values read before and after would be of two data sets.
        """
        stamp = self._stamp_now()
        if self._stamp is not None and stamp != self._stamp:
            raise DataError(
                f"{self.path}: changed while it was read (from {self._stamp[0]} to {stamp[0]} bytes, or written "
                f"again); restore the file and resume the run, or start a new run"
            )
        self._stamp = stamp
        if self._source is None or self._process != os.getpid():
            self._source, self._process = self._opener(self.path), os.getpid()
        source = self._source
        _open[id(self)] = weakref.ref(self)
        _open.move_to_end(id(self))
        while len(_open) > MOST_OPEN:
            oldest = _open.popitem(last=False)[1]()
            if oldest is not None:
                oldest.close()
        return source

    def close(self) -> None:
        """Closes the file; it is opened again when it is needed."""
        _open.pop(id(self), None)
        if self._source is not None and self._process == os.getpid():
            self._source.close()
        self._source = None

    def _stamp_now(self) -> tuple[int, int]:
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read any more ({error}); restore it and resume the run") from error
        return status.st_size, status.st_mtime_ns

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_source": None, "_process": -1}
