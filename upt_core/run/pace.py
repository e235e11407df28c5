"""How often something may be done beside training: not too often, and for a small share of the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE = 30.0
"""Seconds from one time to the next, at least."""

SHARE = 0.02
"""Share of the run's time that it may take."""


class Pace:
    """Says when it is time again.

    Args:
        at_once: whether the first time is now, and not after a pause.
    """

    def __init__(self, at_once: bool = False) -> None:
        self._due = time.monotonic() + (0.0 if at_once else PAUSE)

    @property
    def due(self) -> bool:
        """Whether the last time is long enough ago."""
        return time.monotonic() >= self._due

    @contextmanager
    def taking(self) -> Iterator[None]:
        """What is done inside counts: the next pause is the longer, the longer it takes."""
        started = time.monotonic()
        yield
        now = time.monotonic()
        self._due = now + max(PAUSE, (now - started) / SHARE)
