"""Times of actions that are measured in turn, so that a change of the machine's load meets all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

Action = Callable[[], object]

SHORT, MOST = 2e-3, 20
"""An action is repeated until it takes so many seconds, at most so often: the first call after another action finds
the processor's caches full of that one's data."""


def medians(
    actions: Mapping[str, Action], device: torch.device, rounds: int = 50, seconds: float = 2.0
) -> dict[str, float]:
    """Median seconds of each action.

    Args:
        actions: each is done twice before the clock starts; short ones several times a round.
        device: waited for before and after each action.
        rounds: at most so many rounds through all actions.
        seconds: no new round begins after this time; three are made in any case.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()  # tables are made at the first call
    numbers = {name: max(1, min(MOST, int(SHORT / seconds_of(action, device)))) for name, action in actions.items()}
    started = time.perf_counter()
    for number in range(rounds):
        if number >= 3 and time.perf_counter() - started > seconds:
            break
        for name, action in actions.items():
            times[name].append(seconds_of(action, device, numbers[name]))
    return {name: statistics.median(found) for name, found in times.items()}


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
