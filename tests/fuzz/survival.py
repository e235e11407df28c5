"""The one property that is held against everything a stranger may hand in: done, or refused in bounded words, soon."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, settings

from upt_core import UserError
from upt_core.cli.group import message

SECONDS, MEGABYTES, CHARACTERS = 10, 1024, 4000
"""What one input may cost at most: processor time, further memory, and the length of the message."""

LONG = int(os.environ.get("UPT_FUZZ", "0"))
"""How many times as many examples as usual are tried, and new ones each time; ``make fuzz`` sets it."""


def tried(examples: int) -> settings:
    """Settings of a test: the same few examples in every run of the suite, many and new ones with ``make fuzz``."""
    return settings(
        max_examples=examples * max(1, LONG),
        derandomize=not LONG,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if LONG else [])],
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def survives(action: Callable[[], object], *places: str) -> str:
    """The message of a refusal; empty where the action was done.

    Args:
        action: what is tried; any exception but ``UserError`` goes on to the test.
        places: what a message must name one of.
    """
    start = time.process_time()
    try:
        with _limits(), redirect_stdout(StringIO()):
            action()
    except UserError as error:
        said = message(error)
        assert len(said) <= CHARACTERS, f"a message of {len(said)} characters: {said[:200]!r} … {said[-200:]!r}"
        assert said.isprintable() or all(c.isprintable() or c in "\n\t" for c in said), f"not for a screen: {said!r}"
        assert not places or any(place in said for place in places), f"{said!r} names none of {places}"
        return said
    finally:
        took = time.process_time() - start
        assert took < SECONDS, f"took {took:.1f} s of processor time"
    return ""


@contextmanager
def _limits() -> Iterator[None]:
    """While active, more than ``MEGABYTES`` of further memory and a minute of waiting are errors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEGABYTES * 2**20, hard))
    previous = signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _hangs(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("it hangs")
