"""The signals that end a run after the current step, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from upt_core.brief_traceback import Brief

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGXCPU")
    if hasattr(signal, name)  # Windows has the first two
)
"""Ctrl-C; kill and schedulers; a terminal that closes; a scheduler's early warning; a spent allowance of time."""


class Interrupted(Brief, KeyboardInterrupt):
    """A run was ended by a signal, and its checkpoint is written.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number

    def __reduce__(self) -> tuple[type[Interrupted], tuple[int]]:
        """Across processes it takes the number, not the text that was made of it."""
        return Interrupted, (self.number,)


@contextmanager
def held_back() -> Iterator[None]:
    """A block in which these signals wait: they act when it is over.

    A mask would not do: the system gives a signal that one thread blocks to another thread.
    """
    noted: list[int] = []
    with Interrupt(patient=True, heard=noted.append):
        yield
    for number in dict.fromkeys(noted):
        signal.raise_signal(number)


@contextmanager
def at_once() -> Iterator[None]:
    """A block that these signals end at once, with ``Interrupted``: all that was trained is saved already."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    with Interrupt(patient=True, act=end):
        yield


class Interrupt:
    """While active, the first signal only sets ``requested``; a second one acts at once, as without upt.

    A signal that whoever started upt has switched off (``nohup`` does so with SIGHUP) stays switched off.

    Args:
        patient: further signals change nothing either: who ends several processes may signal each more than once.
        heard: is told of each signal.
        act: what a signal does, in place of setting ``requested``.
    """

    def __init__(
        self,
        patient: bool = False,
        heard: Callable[[int], object] = lambda number: None,
        act: Callable[[int, FrameType | None], None] | None = None,
    ) -> None:
        self.number = signal.SIGINT.value
        self.requested = False
        self._patient = patient
        self._heard = heard
        self._act = act or self._handle
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._act)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested, self.number = True, number
        self._heard(number)
        if not self._patient:
            self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
