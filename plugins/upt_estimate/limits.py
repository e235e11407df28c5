"""The largest batch, and the most query points, whose step fits into a memory.

A step runs the same operations at any number of samples or query points, so its memory grows along a straight line:
two trials give the line.
"""

from __future__ import annotations

from collections.abc import Callable

from upt_estimate.subject import Subject
from upt_estimate.trial import try_step


def largest_batch(subject: Subject, memory: int, devices: int = 1) -> int:
    """Samples of a batch, of all devices together; 0 where not even one sample a device fits."""
    size = max(1, min(8, subject.experiment.settings.trainer.batch_size // devices))
    return devices * _last(size, 2 * size, memory, lambda own: try_step(subject, own, devices=devices).peak)


def largest_queries(subject: Subject, memory: int, batch_size: int, devices: int = 1) -> int:
    """Query points of each term that takes a sampler, at most all points; 0 where not even one fits."""
    points = subject.num_points
    low, high = max(1, points // 8), max(2, points // 4)
    return min(points, _last(low, high, memory, lambda own: try_step(subject, batch_size, own, devices).peak))


def _last(low: int, high: int, memory: int, peak_of: Callable[[int], int]) -> int:
    """The last number whose peak, on the line through two trials, is within the memory."""
    first, second = peak_of(low), peak_of(high)
    slope = (second - first) / (high - low)
    return max(0, int(low + (memory - first) / slope)) if slope > 0 else high
