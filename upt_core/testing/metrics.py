"""Checks a metric against the contract of ``upt_core.Metric``; for its author's own tests."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.kinds import Metric
from upt_core.testing.failure import answering, require, require_object
from upt_core.testing.made_up_data import Case, grid, scattered
from upt_core.testing.measured import with_measure

Reference = Callable[[Tensor, Tensor], float]
_SAMPLES, _TIMES = 5, 2


def check_metric(
    metric: Metric, reference: Reference | None = None, *, tolerance: float = 1e-5, over_space: bool = True
) -> None:
    """Raises unless a metric keeps the contract, on grids of 1 to 3 axes, scattered points and padded rows.

    Points that ``update`` refuses with a ValueError are left out; one kind must be left. Checked are: a finite float;
    the reference; that the figure does not depend on how samples are dealt out to batches; that ``reset`` forgets;
    that padding does not count; that means are over space where points have a measure; that a perfect prediction is
    not worse than another; that arguments are left alone; that ``by_sample`` has
    the figure as its mean; that ``merge``, where there is one, gives the figure of all samples.

    Args:
        metric: the metric.
        reference: the figure of predictions and targets (B, T, N, C), both on a grid without padding, computed in
            another way than the metric does, for example with numpy in float64.
        tolerance: relative difference from the reference that rounding explains.
        over_space: False declares that each point counts the same whatever its cell, as in a quantile over points.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require_object(metric)
    tried: list[_Samples] = []
    refusals = []
    for case in (grid(1), grid(2), grid(3), scattered(2), scattered(2, padded=True), scattered(3, padded=True)):
        samples = _Samples(case)
        try:
            with answering(
                "update",
                f"on {case}",
                "no error on shapes (B, T, N, C)",
                "handle this case, or refuse it with a ValueError that says why",
                ValueError,
            ):
                copy.deepcopy(metric).update(*samples.part(0, _SAMPLES))
        except ValueError as refusal:
            refusals.append(f"{case}: {refusal}")
            continue
        tried.append(samples)
        _check_case(copy.deepcopy(metric), samples, reference, tolerance)
    require(
        bool(tried),
        "points",
        "update() refuses all points: " + "; ".join(refusals),
        "at least one of: a grid of 1 to 3 axes, scattered points",
        "refuse only data for which the metric is not defined",
    )
    for samples in tried if over_space else ():
        if samples.lengths is None and samples.case.data.grid_shape is None:
            _check_space(copy.deepcopy(metric), samples)


class _Samples:
    """Predictions and targets of some samples, to be dealt out to batches."""

    def __init__(self, case: Case) -> None:
        self.case = case
        rng = torch.Generator().manual_seed(0)
        shape = (_SAMPLES, _TIMES, case.num_points, case.data.target_channels)
        self.target = torch.randn(shape, generator=rng) + 1
        self.prediction = self.target + 0.3 * torch.randn(shape, generator=rng)
        lengths = case.lengths
        self.lengths = None if lengths is None else (*lengths, *lengths)[:_SAMPLES]
        coords = case.points().coords_BNX
        self.coords = coords[torch.arange(_SAMPLES) % len(coords)]

    @property
    def mask(self) -> Tensor:
        """(B, 1, N, 1), False where it pads."""
        lengths = torch.tensor(self.lengths or [self.case.num_points] * _SAMPLES)
        return (torch.arange(self.case.num_points) < lengths.unsqueeze(1))[:, None, :, None]

    def part(self, start: int, stop: int, prediction: Tensor | None = None) -> tuple[Tensor, Tensor, Batch]:
        """Prediction, target and batch of the samples start ≤ i < stop."""
        prediction = self.prediction if prediction is None else prediction
        data, target = self.case.data, self.target[start:stop]
        points = replace(
            self.case.points(),
            coords_BNX=self.coords[start:stop],
            lengths=None if self.lengths is None else self.lengths[start:stop],
            sample_id_B=torch.arange(start, stop),
        )
        input_BNC = torch.ones(stop - start, self.case.num_points, data.input_channels)
        return prediction[start:stop], target, Batch(input_BNC, target, points)

    def alone(self, row: int) -> tuple[Tensor, Tensor, Batch]:
        """Prediction, target and batch of a padded sample's real points."""
        assert self.lengths is not None
        number = self.lengths[row]
        prediction, target, batch = self.part(row, row + 1)
        points = replace(batch.points, coords_BNX=batch.points.coords_BNX[:, :number], lengths=None)
        target = target[:, :, :number]
        return prediction[:, :, :number], target, Batch(batch.input_BNC[:, :number], target, points)


def _figure(metric: Metric, parts: Sequence[tuple[Tensor, Tensor, Batch]]) -> float:
    metric.reset()
    for part in parts:
        metric.update(*part)
    value = metric.compute()
    require(
        isinstance(value, float) and math.isfinite(value),
        "number",
        f"compute() gave {value!r} of type {type(value).__name__}",
        "a finite float",
        "end with .item(), and guard divisions by 0",
    )
    return value


def _check_case(metric: Metric, samples: _Samples, reference: Reference | None, tolerance: float) -> None:
    before = samples.prediction.clone(), samples.target.clone()
    value = _figure(metric, [samples.part(0, _SAMPLES)])
    require(
        torch.equal(before[0], samples.prediction) and torch.equal(before[1], samples.target),
        "arguments",
        f"update() changed prediction or target on {samples.case}",
        "unchanged arguments, because other metrics use them too",
        "use no in-place operation",
    )
    if reference is not None and samples.case.data.grid_shape is not None:
        expected = float(reference(samples.prediction, samples.target))
        require(
            math.isclose(value, expected, rel_tol=tolerance, abs_tol=tolerance),
            "reference",
            f"{value:.8g} on {samples.case}",
            f"{expected:.8g}, which the reference gives",
            "compare order of means and roots, and which axes are summed: (B, T, N, C)",
        )
    _check_samples(metric, samples, value)
    _check_merge(metric, samples, value)
    _check_dealing(metric, samples, value)
    _check_padding(metric, samples, value)
    _check_direction(metric, samples, value)


def _check_samples(metric: Metric, samples: _Samples, value: float) -> None:
    found = metric.by_sample()
    if found is None:
        return
    mean = float(found.double().mean())
    require(
        tuple(found.shape) == (_SAMPLES,) and math.isclose(mean, value, rel_tol=1e-5, abs_tol=1e-7),
        "samples",
        f"by_sample() gave {tuple(found.shape)} figures with the mean {mean:.8g} of {_SAMPLES} samples; compute() gave "
        f"{value:.8g}, on {samples.case}",
        "one figure for each sample, whose mean is the figure",
        "let by_sample() return None if the figure is not a mean over samples",
    )


def _check_merge(metric: Metric, samples: _Samples, value: float) -> None:
    if not metric.mergeable:
        return
    parts = []
    for start, stop in pairwise((0, 2, 3, _SAMPLES)):
        part = copy.deepcopy(metric)
        part.reset()
        part.update(*samples.part(start, stop))
        parts.append(part)
    by_sample = metric.by_sample()
    metric.reset()
    with answering(
        "merge",
        f"when three metrics that have seen 2, 1 and 2 samples are sent and merged, on {samples.case}",
        "a metric that can be pickled, and merges another of its class",
        "keep only tensors and plain numbers, and let merge() add those of the other metric",
    ):
        for part in parts:
            metric.merge(pickle.loads(pickle.dumps(part)))
        merged, own = metric.compute(), metric.by_sample()
    require(
        math.isclose(merged, value, rel_tol=1e-5, abs_tol=1e-7)
        and (by_sample is None or (own is not None and torch.allclose(own.double(), by_sample.double(), rtol=1e-5))),
        "merge",
        f"{merged:.8g} from three metrics that have seen 2, 1 and 2 samples, {value:.8g} from one that has seen all, "
        f"on {samples.case}; or the figures of samples differ",
        "the same figures: several processes each see some samples, and one process merges them in order",
        "let merge() append everything that update() of the other metric has kept",
    )


def _check_dealing(metric: Metric, samples: _Samples, value: float) -> None:
    for cuts in ((0, 3, _SAMPLES), (0, 1, 2, 3, 4, _SAMPLES)):
        dealt = _figure(metric, [samples.part(i, j) for i, j in pairwise(cuts)])
        require(
            math.isclose(dealt, value, rel_tol=1e-5, abs_tol=1e-7),
            "batches",
            f"{dealt:.8g} in batches of {', '.join(str(j - i) for i, j in pairwise(cuts))} samples, "
            f"{value:.8g} in one, on {samples.case}",
            "the same figure for any division of samples into batches (the last batch is often smaller)",
            "keep sums over samples and their number, or a figure for each sample; not means of batches. If the "
            "second figure is larger, check that reset() clears everything",
        )
    again = _figure(metric, [samples.part(0, _SAMPLES)])
    require(
        again == value,
        "reset",
        f"{again:.8g} after {value:.8g} for the same samples, with reset() between, on {samples.case}",
        "the same figure, because reset() clears all earlier batches",
        "set every sum and counter to 0 in reset()",
    )


def _check_padding(metric: Metric, samples: _Samples, value: float) -> None:
    if samples.lengths is None:
        return
    wrong = samples.prediction.where(samples.mask, 1e4)
    changed = _figure(metric, [samples.part(0, _SAMPLES, wrong)])
    require(
        math.isclose(changed, value, rel_tol=1e-5),
        "padding",
        f"{changed:.8g} instead of {value:.8g} when predictions at padding change, on {samples.case}",
        "a figure of only the real points",
        "leave out points where batch.points.mask_BN is False, and divide by batch.points.length_B1",
    )
    row = min(range(_SAMPLES), key=samples.lengths.__getitem__)
    padded, alone = _figure(metric, [samples.part(row, row + 1)]), _figure(metric, [samples.alone(row)])
    require(
        math.isclose(padded, alone, rel_tol=1e-5, abs_tol=1e-7),
        "padding",
        f"{padded:.8g} for a padded sample, {alone:.8g} for the same without padding, on {samples.case}",
        "the same figure: padding must change neither sums nor their divisors",
        "divide sums over points by batch.points.length_B1, not by the tensor's size",
    )
    dealt = _figure(metric, [samples.alone(row) for row in range(_SAMPLES)])
    require(
        math.isclose(dealt, value, rel_tol=1e-5, abs_tol=1e-7),
        "alone",
        f"{dealt:.8g} in batches of one sample without padding, {value:.8g} in one padded batch, on {samples.case}",
        "the same figure: it must not depend on validation.batch_size",
        "compute a figure for each sample from its real points; if samples are weighted by their points, do this in "
        "every batch",
    )


def _check_space(metric: Metric, samples: _Samples) -> None:
    prediction, _, batch = samples.part(0, _SAMPLES)
    errors = replace(batch, input_BNC=batch.target_BTNC[:, 0], target_BTNC=prediction)
    measured, repeated = (
        _figure(metric, [(other.target_BTNC, own.target_BTNC, own)])
        for own, other in zip(with_measure(batch), with_measure(errors), strict=True)
    )
    require(
        math.isclose(measured, repeated, rel_tol=1e-4, abs_tol=1e-6),
        "space",
        f"{measured:.8g} with points of measure 1 to 3, {repeated:.8g} with each point repeated that often instead, on "
        f"{samples.case}",
        "the same figure: where points have a measure (the area or volume of their cells), means are over space",
        "multiply by batch.points.density_BN, if it is not None, before a mean over all N points; or declare "
        "over_space=False",
    )


def _check_direction(metric: Metric, samples: _Samples, value: float) -> None:
    perfect = _figure(metric, [samples.part(0, _SAMPLES, samples.target)])
    better = perfect <= value if metric.lower_is_better else perfect >= value
    require(
        better,
        "direction",
        f"{perfect:.8g} for perfect predictions, {value:.8g} for wrong ones, on {samples.case}",
        f"perfect predictions are at least as good; lower_is_better is {metric.lower_is_better}",
        "set lower_is_better: ClassVar[bool] = False if more is better",
    )
