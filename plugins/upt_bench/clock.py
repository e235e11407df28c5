"""Times of actions that are measured in turn, so that a change of the machine's load meets all of them alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

Action = Callable[[], object]

SHORT, MOST = 2e-3, 20
"""An action is repeated until it takes so many seconds, at most so often: the first call after another action finds
the processor's caches full of that one's data."""


@dataclass(frozen=True)
class Times:
    """Seconds of actions that were done in turn.

    Args:
        seconds: action → one number for each round.
    """

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Seconds of one action."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, base: str) -> Ratio:
        """The median over the rounds of one action's time over another's, both of the same round."""
        pairs = zip(self.seconds[name], self.seconds[base], strict=True)
        return Ratio.of([time / other for time, other in pairs])


@dataclass(frozen=True)
class Ratio:
    """A measured ratio.

    Args:
        value: the ratio.
        noise: its standard error, relative to it; None: one round does not tell.
    """

    value: float
    noise: float | None

    @classmethod
    def of(cls, found: Sequence[float]) -> Ratio:
        """The median of ratios. Its standard error is that of normal values: 1.2533 σ / √n, and σ is 1.4826 times the
        median distance from the median, so that one round at a bad moment counts little."""
        value = statistics.median(found)
        if len(found) == 1:
            return cls(value, None)
        sigma = 1.4826 * statistics.median(abs(ratio - value) for ratio in found)
        return cls(value, 1.2533 * sigma / abs(value) / math.sqrt(len(found)))


def medians(
    actions: Mapping[str, Action], device: torch.device, rounds: int = 50, seconds: float = 2.0
) -> dict[str, float]:
    """Median seconds of each action; see ``times``."""
    found = times(actions, device, rounds, seconds)
    return {name: found.median(name) for name in actions}


def times(actions: Mapping[str, Action], device: torch.device, rounds: int = 50, seconds: float = 2.0) -> Times:
    """Seconds of each action, round by round.

    Args:
        actions: each is done twice before the clock starts; short ones several times a round.
        device: waited for before and after each action.
        rounds: at most so many rounds through all actions.
        seconds: no new round begins after this time; three are made in any case.
    """
    found: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()  # tables are made at the first call
    numbers = {name: max(1, min(MOST, int(SHORT / seconds_of(action, device)))) for name, action in actions.items()}
    started = time.perf_counter()
    for number in range(rounds):
        if number >= 3 and time.perf_counter() - started > seconds:
            break
        for name, action in actions.items():
            found[name].append(seconds_of(action, device, numbers[name]))
    return Times(found)


def seconds_of(action: Action, device: torch.device, number: int = 1) -> float:
    """On the host, the time that the processor worked for this thread: a busy machine changes it less."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    _wait(device)
    started = clock()
    for _ in range(number):
        action()
    _wait(device)
    return (clock() - started) / number


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
