"""The largest batch, and the most query points, whose step fits into a memory.

A step runs the same operations at any number of samples or query points, so what it holds at each moment grows along a
straight line. Its peak is the highest of these lines: that of the optimizer's step at small numbers, that of the
backward pass, which is the steepest, at large ones.
"""

from __future__ import annotations

from collections.abc import Callable

from upt_estimate.subject import Subject
from upt_estimate.trial import StepCost, try_step

STEEPEST = 0.9
"""Two trials lie on the steepest line where the peak grows by this part, at least, of what the backward pass keeps."""
MOST_TRIED = 1 << 16
"""Samples of the largest trial: their values are read, unlike those of a step."""


def largest_batch(subject: Subject, memory: int, devices: int = 1) -> int:
    """Samples of a batch, of all devices together; 0 where not even one sample a device fits."""

    def trial(own: int) -> StepCost:
        return try_step(subject, own, devices=devices)

    size = max(1, min(8, subject.experiment.settings.trainer.batch_size // devices))
    low, high = trial(size), trial(2 * size)
    while high.peak <= memory and not _steepest(low, high) and high.batch_size < MOST_TRIED:
        low, high = high, trial(2 * high.batch_size)
    if high.peak <= memory:
        slope = (high.peak - low.peak) / (high.batch_size - low.batch_size)
        return devices * int(high.batch_size + (memory - high.peak) / slope) if slope > 0 else devices * high.batch_size
    return devices * _last(low.batch_size, high.batch_size, memory, lambda own: trial(own).peak)


def largest_queries(subject: Subject, memory: int, batch_size: int, devices: int = 1) -> int:
    """Query points of each term that takes a sampler, at most all points; 0 where not even one fits."""
    points = subject.num_points
    return _last(max(1, points // 8), points, memory, lambda own: try_step(subject, batch_size, own, devices).peak)


def _steepest(low: StepCost, high: StepCost) -> bool:
    kept = sum(high.kept.values()) / high.batch_size
    return high.peak - low.peak >= STEEPEST * kept * (high.batch_size - low.batch_size)


def _last(low: int, high: int, memory: int, peak_of: Callable[[int], int]) -> int:
    """The last number from 1 to ``high`` whose peak is within the memory; 0: none is.

    The peak is convex. So where the straight line between a number that fits and one that does not crosses the memory,
    there is a number that fits; soon both are on the steepest line.
    """
    peaks = {high: peak_of(high)}
    if peaks[high] <= memory:
        return high
    fits = 0
    for number in sorted({1, low} - {high}, reverse=True):
        peaks[number] = peak_of(number)
        if peaks[number] <= memory:
            fits = number
            break
        high = number
    while fits and high - fits > 1:
        share = (memory - peaks[fits]) / (peaks[high] - peaks[fits])
        between = min(high - 1, max(fits + 1, fits + int(share * (high - fits))))
        peaks[between] = peak_of(between)
        fits, high = (between, high) if peaks[between] <= memory else (fits, between)
    return fits
