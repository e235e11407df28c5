"""Metrics against values computed another way, with numpy, sample by sample."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from upt_core import Batch, Metric, Points
from upt_metrics.boundary_rmse import BoundaryRmse
from upt_metrics.conservation_error import ConservationError
from upt_metrics.correlation_time import CorrelationTime
from upt_metrics.max_error import MaxError
from upt_metrics.nrmse import Nrmse
from upt_metrics.relative_h1 import RelativeH1
from upt_metrics.relative_l2 import RelativeL2
from upt_metrics.rmse import Rmse
from upt_metrics.spectral_rmse import SpectralRmse
from upt_metrics.spectrum_error import SpectrumError
from upt_metrics.vrmse import Vrmse

TIMES, CHANNELS = 3, 2
METRICS = (
    RelativeL2,
    RelativeH1,
    Rmse,
    Nrmse,
    Vrmse,
    MaxError,
    ConservationError,
    BoundaryRmse,
    SpectralRmse,
    SpectrumError,
)
NEEDS_GRID = (RelativeH1, SpectralRmse, SpectrumError)


def make_batch(shape=None, rows=4, num=12, lengths=None, periodic=(False, True), seed=0):
    """(prediction, target, batch) at random."""
    rng = torch.Generator().manual_seed(seed)
    if shape is None:
        coords = torch.rand(rows, num, 2, generator=rng)
        coords[:, :3, 0] = 0.0
    else:
        axes = [torch.arange(n) / (n if wraps else n - 1) for n, wraps in zip(shape, periodic, strict=True)]
        coords = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2).expand(rows, -1, -1)
    num = coords.shape[1]
    points = Points(coords, shape, lengths, periodic=periodic)
    prediction, target = (torch.randn(rows, TIMES, num, CHANNELS, generator=rng) + 0.3 for _ in range(2))
    return prediction, target, Batch(target[:, 0], target, points)


def figure(metric: Metric, *batches) -> float:
    metric.reset()
    for batch in batches:
        metric.update(*batch)
    return metric.compute()


def samples(*batches):
    """(prediction, target) of each sample as numpy (T, N, C), without padding."""
    for prediction, target, batch in batches:
        lengths = batch.points.lengths or (prediction.shape[2],) * len(prediction)
        for p, y, length in zip(prediction.double().numpy(), target.double().numpy(), lengths, strict=True):
            yield p[:, :length], y[:, :length]


GRID = [make_batch((6, 5)), make_batch((6, 5), rows=1, seed=1)]
PADDED = [make_batch(lengths=(12, 5, 9, 12)), make_batch(rows=2, lengths=(4, 12), seed=1)]
FIGURES = {
    RelativeL2: lambda p, y: np.linalg.norm(p - y) / np.linalg.norm(y),
    Rmse: lambda p, y: np.sqrt(((p - y) ** 2).mean(1)).mean(),
    Nrmse: lambda p, y: (np.sqrt(((p - y) ** 2).mean(1)) / np.sqrt((y**2).mean(1))).mean(),
    Vrmse: lambda p, y: (np.sqrt(((p - y) ** 2).mean(1)) / y.std(1)).mean(),
}


@pytest.mark.parametrize("metric", FIGURES)
@pytest.mark.parametrize("batches", [GRID, PADDED], ids=["grid", "padded"])
def test_means_over_samples(metric, batches):
    expected = np.mean([FIGURES[metric](p, y) for p, y in samples(*batches)])
    assert figure(metric(), *batches) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batches", [GRID, PADDED], ids=["grid", "padded"])
def test_max_error(batches):
    expected = max(np.abs(p - y).max() for p, y in samples(*batches))
    assert figure(MaxError(), *batches) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("batches", [GRID, PADDED], ids=["grid", "padded"])
def test_conservation_error(batches):
    difference = np.stack([p.mean(1) - y.mean(1) for p, y in samples(*batches)])  # sample, time, channel
    assert figure(ConservationError(), *batches) == pytest.approx(np.sqrt((difference**2).mean(0)).mean(), rel=1e-5)


def decaying(rows=4, steps=6, seed=0):
    """Targets at random, and predictions that are right at first and wrong later."""
    rng = torch.Generator().manual_seed(seed)
    target = torch.randn(rows, steps, 30, CHANNELS, generator=rng)
    noise = torch.randn(rows, steps, 30, CHANNELS, generator=rng) * torch.arange(steps).view(-1, 1, 1) / 2
    coords = torch.rand(rows, 30, 2, generator=rng)
    return target + noise, target, Batch(target[:, 0], target, Points(coords))


def test_correlation_time_against_numpy():
    batch, found = decaying(), []
    for p, y in samples(batch):
        for channel in range(CHANNELS):
            known = [1.0] + [np.corrcoef(a, b)[0, 1] for a, b in zip(p[..., channel], y[..., channel], strict=True)]
            below = next((i for i, value in enumerate(known) if value < 0.8), None)
            last = len(known) - 1
            share = 0 if below is None else (known[below - 1] - 0.8) / (known[below - 1] - known[below])
            found.append(last if below is None else below - 1 + share)
    assert 1 < np.mean(found) < 5
    assert figure(CorrelationTime(), batch) == pytest.approx(np.mean(found), rel=1e-6)


def test_correlation_time_of_an_exact_rollout_is_its_length():
    _, target, batch = decaying()
    assert figure(CorrelationTime(), (target, target, batch)) == 6
    assert figure(CorrelationTime(), (-target, target, batch)) == pytest.approx(0.1)  # from 1 to −1 within a step
    assert not CorrelationTime.lower_is_better


def test_correlation_of_fields_without_variation():
    _, target, batch = decaying()
    flat = torch.ones_like(target)
    assert figure(CorrelationTime(), (flat, flat, batch)) == 6
    assert figure(CorrelationTime(), (flat, target, batch)) == pytest.approx(0.2)  # from 1 to 0 within a step


def test_spectrum_error_against_numpy():
    batch = make_batch((12, 10), rows=2)
    kx, ky = np.meshgrid(np.fft.fftfreq(12, 1 / 12), np.fft.fftfreq(10, 1 / 10), indexing="ij")
    shell = np.floor(np.hypot(kx, ky) + 0.5)
    figures = []
    for p, y in samples(batch):
        powers = [np.abs(np.fft.fft2(v.reshape(TIMES, 12, 10, CHANNELS), axes=(1, 2))) ** 2 for v in (p, y)]
        energy = [np.stack([power[:, shell == k].sum(1) for k in range(1, 6)]) for power in powers]
        figures.append(np.abs(np.log10(energy[0] / energy[1])).mean())
    assert figure(SpectrumError(), batch) == pytest.approx(np.mean(figures), rel=1e-9)


def test_spectrum_error_knows_a_factor_and_minds_no_place():
    _, target, batch = make_batch((8, 8), periodic=(True, True))
    moved = target.view(4, TIMES, 8, 8, CHANNELS).roll(3, dims=2).flatten(2, 3)
    assert figure(SpectrumError(), (moved, target, batch)) == pytest.approx(0, abs=1e-6)
    assert figure(SpectrumError(), (target * 10**0.5, target, batch)) == pytest.approx(1, rel=1e-6)


AT_REST = r"1 of 4 targets are at rest \(below 1% of the split's root mean square\); their errors are divided by that"


def test_one_sample_at_rest_does_not_decide():
    prediction, target, batch = make_batch((6, 5))
    target[1] = 0
    metric = RelativeL2()
    rows = [np.linalg.norm(p - y) for p, y in samples((prediction, target, batch))]
    sizes = [np.linalg.norm(y) for _, y in samples((prediction, target, batch))]
    sizes[1] = np.sqrt(np.mean(np.square(sizes)))
    assert figure(metric, (prediction, target, batch)) == pytest.approx(np.mean(np.divide(rows, sizes)), rel=1e-6)
    assert re.search(AT_REST, metric.remark())
    assert figure(metric, (prediction, target + 1, batch)) > 0
    assert metric.remark() == ""


def test_a_channel_of_zeros_is_left_out():
    prediction, target, batch = make_batch((6, 5))
    target[..., 1] = 0
    metric = Nrmse()
    expected = figure(Nrmse(), (prediction[..., :1], target[..., :1], batch))
    assert figure(metric, (prediction, target, batch)) == pytest.approx(expected)
    assert metric.remark() == (
        "1 of 2 channels are zero throughout the split, so a relative error is not defined for them"
    )


def test_a_field_without_variation_on_a_large_mean_is_left_out_of_vrmse():
    prediction, target, batch = make_batch((6, 5))
    target = target.double()
    target[..., 1] = 101325.1
    expected = figure(Vrmse(), (prediction[..., :1], target[..., :1], batch))
    assert figure(Vrmse(), (prediction, target, batch)) == pytest.approx(expected)


@pytest.mark.parametrize(("axes", "sides"), [("all", (True, True)), ("non_periodic", (True, False))])
def test_boundary_rmse_on_a_grid(axes, sides):
    inside = np.ones((6, 5), dtype=bool)
    if sides[0]:
        inside[[0, -1]] = False
    if sides[1]:
        inside[:, [0, -1]] = False
    edge = ~inside.ravel()
    expected = np.mean([np.sqrt(((p - y)[:, edge] ** 2).mean(1)).mean() for p, y in samples(*GRID)])
    assert figure(BoundaryRmse(axes), *GRID) == pytest.approx(expected, rel=1e-5)


def test_boundary_rmse_of_scattered_points():
    figures = []
    for (p, y), coords in zip(samples(PADDED[0]), PADDED[0][2].points.coords_BNX.numpy(), strict=True):
        coords = coords[: p.shape[1]]
        edge = ((coords <= 0.1) | (coords >= 0.9)).any(1)
        figures.append(np.sqrt(((p - y)[:, edge] ** 2).mean(1)).mean())
    assert figure(BoundaryRmse(tolerance=0.1), PADDED[0]) == pytest.approx(np.mean(figures), rel=1e-5)


def test_relative_h1_against_numpy_gradients():
    def norm(v):  # (T, N, C) on a 6 × 5 grid; the second axis wraps around
        v = v.reshape(TIMES, 6, 5, CHANNELS)
        slope_x = np.gradient(v, 1 / 5, axis=1, edge_order=2)
        wrapped = np.concatenate([v[:, :, -1:], v, v[:, :, :1]], axis=2)
        slope_y = np.gradient(wrapped, 1 / 5, axis=2)[:, :, 1:-1]
        return np.sqrt((v**2 + slope_x**2 + slope_y**2).mean())

    expected = np.mean([norm(p - y) / norm(y) for p, y in samples(*GRID)])
    assert figure(RelativeH1(), *GRID) == pytest.approx(expected, rel=1e-5)


def test_relative_h1_with_every_axis_wrapped():
    def norm(v):
        v = v.reshape(TIMES, 6, 5, CHANNELS)
        slopes = [(np.roll(v, -1, axis) - np.roll(v, 1, axis)) * num / 2 for axis, num in ((1, 6), (2, 5))]
        return np.sqrt((v**2).sum() + sum((slope**2).sum() for slope in slopes))

    expected = np.mean([norm(p - y) / norm(y) for p, y in samples(*GRID)])
    assert figure(RelativeH1(sides="periodic"), *GRID) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("band", "low", "high"), [("low", 0, 4), ("mid", 5, 12), ("high", 13, 15), ("all", 0, 15)])
def test_spectral_rmse_sums_the_modes_of_a_band(band, low, high):
    batch = make_batch((30, 32), rows=2)
    kx, ky = np.meshgrid(np.fft.fftfreq(30, 1 / 30), np.fft.fftfreq(32, 1 / 32), indexing="ij")
    number = np.floor(np.sqrt(kx**2 + ky**2) + 1e-9)
    expected = []
    for p, y in samples(batch):
        modes = np.fft.fft2((p - y).reshape(TIMES, 30, 32, CHANNELS), axes=(1, 2), norm="forward")
        power = (np.abs(modes) ** 2)[:, (number >= low) & (number <= high)].sum(1)
        expected.append(np.sqrt(power).mean() / (high - low + 1))
    assert figure(SpectralRmse(band), batch) == pytest.approx(np.mean(expected), rel=1e-4)


def test_all_modes_together_are_the_rmse():
    line = make_batch((16,), periodic=(True,))
    assert figure(SpectralRmse("all", high=8), line) * 9 == pytest.approx(figure(Rmse(), line), rel=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_a_perfect_prediction_has_no_error_and_reset_forgets(metric):
    _, target, batch = make_batch((28, 26))
    once = metric() if metric is not SpectralRmse else metric("high")
    once.update(target + 1, target, batch)
    assert once.lower_is_better
    assert figure(once, (target, target, batch)) == 0
    once.reset()
    with pytest.raises(ValueError, match=rf"{metric.__name__} has seen no batch; call update before compute"):
        once.compute()


@pytest.mark.parametrize("metric", METRICS)
def test_how_samples_are_batched_does_not_matter(metric):
    prediction, target, batch = make_batch((6, 5))
    points = [Points(batch.points.coords_BNX[i : i + 2], (6, 5), periodic=(False, True)) for i in (0, 2)]
    halves = [
        (prediction[i : i + 2], target[i : i + 2], Batch(batch.input_BNC[i : i + 2], target[i : i + 2], points[i // 2]))
        for i in (0, 2)
    ]
    assert figure(metric(), *halves) == pytest.approx(figure(metric(), (prediction, target, batch)), rel=1e-6)


@pytest.mark.parametrize(
    "metric", [RelativeL2, Rmse, Nrmse, Vrmse, CorrelationTime, MaxError, ConservationError, BoundaryRmse]
)
def test_what_stands_in_padding_does_not_matter(metric):
    prediction, target, batch = PADDED[0]
    expected = figure(metric(), PADDED[0])
    spoilt = prediction.where(batch.points.mask_BN[:, None, :, None], torch.nan)
    assert figure(metric(), (spoilt, target, batch)) == expected


def test_half_precision_is_measured_in_float32():
    prediction, target, batch = make_batch((6, 5))
    assert figure(Rmse(), (prediction.bfloat16(), target, batch)) == pytest.approx(
        figure(Rmse(), (prediction, target, batch)), rel=1e-2
    )


def test_a_target_of_zeros_gives_a_finite_figure():
    prediction, target, batch = make_batch((6, 5))
    for metric in (RelativeL2(), RelativeH1(), Nrmse(), Vrmse()):
        assert figure(metric, (prediction, 0 * target, batch)) == 1
        assert figure(metric, (0 * target, 0 * target, batch)) == 0


@pytest.mark.parametrize("metric", METRICS)
def test_another_shape_is_refused(metric):
    prediction, target, batch = make_batch((6, 5))
    message = r"prediction has shape \(4, 1, 30, 2\) and target \(4, 3, 30, 2\); expected equal shapes \(B, T, N, C\)"
    with pytest.raises(ValueError, match=message):
        metric().update(prediction[:, :1], target, batch)


def test_points_a_metric_cannot_use_are_refused():
    with pytest.raises(ValueError, match=r"relative_h1 needs a regular grid of at least 3 points along each axis"):
        figure(RelativeH1(), PADDED[0])
    with pytest.raises(ValueError, match=r"spectral_rmse needs a regular grid; these points are scattered"):
        figure(SpectralRmse(), PADDED[0])
    with pytest.raises(ValueError, match=r"spectrum_error needs a regular grid; these points are scattered"):
        figure(SpectrumError(), PADDED[0])
    with pytest.raises(
        ValueError, match=r"spectral_rmse begins at wavenumber 13, but \(6, 5\) points resolve only up to 2"
    ):
        figure(SpectralRmse("high"), GRID[0])
    with pytest.raises(
        ValueError, match=r"found no point at the sides .*axes: non_periodic.*; raise tolerance, or leave"
    ):
        figure(BoundaryRmse("non_periodic"), make_batch((4, 4), periodic=(True, True)))


@pytest.mark.parametrize(
    ("metric", "wrong", "message"),
    [
        (BoundaryRmse, {"axes": "x"}, r"axes expected 'all' or 'non_periodic'; got 'x'"),
        (BoundaryRmse, {"tolerance": 0.7}, r"tolerance must be less than 0.5; got 0.7"),
        (RelativeH1, {"sides": "x"}, r"sides expected 'data' or 'periodic'; got 'x'"),
        (SpectralRmse, {"band": "x"}, r"band expected 'low', 'mid', 'high' or 'all'; got 'x'"),
        (CorrelationTime, {"threshold": 1.0}, r"threshold must be less than 1.0; got 1.0"),
        (SpectralRmse, {"low": 5}, r"the band from 5 to 4 is empty; low must be 0 or more, and at most high"),
    ],
)
def test_wrong_values_are_refused(metric, wrong, message):
    with pytest.raises(ValueError, match=message):
        metric(**wrong)
