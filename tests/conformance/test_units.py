"""Units change nothing: data × 1e-12, × 1e12, or on a large offset give the same losses and relative metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from upt_core import (
    Batch,
    Dataset,
    DataSpec,
    Experiment,
    FieldSpec,
    InMemory,
    LossTerm,
    Metric,
    Progress,
    Split,
    Trajectories,
    Trajectory,
)
from upt_core.config.schema import plugin_model
from upt_core.data.prepared import PreparedData
from upt_core.kinds import FixedValue
from upt_core.loss_bundle import LossBundle, WeightedTerm
from upt_core.operator.evaluate import evaluate
from upt_core.registry import discovery as plugins
from upt_core.testing.made_up_models import small_model

SCALES = (1e-12, 1e12)
OFFSET = 1e6
"""In units of one: float64 holds nine digits of a field of size one on it, float32 less than one."""

EXTENT = (1.0, 2.0, 1.5)
SHAPES = {1: (16,), 2: (8, 8), 3: (4, 4, 4)}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "divergence": {"field": "velocity"},
    "positivity": {"fields": ["u", "velocity"]},
    "rollout": {"steps": 2},
}
VARYING_ONLY = {
    "relative_lp": "one norm of all fields; a constant one is only shifted, so its error has the data's unit"
}
SQUARED_UNIT = {"divergence": "in the units of (field / length)², as it says"}
KNOWS_ZERO = {
    "positivity": "asks where a physical value is below zero",
    "relative_lp": "divides by the physical size, offset included",
}
ABSOLUTE = {"rmse", "max_error", "conservation_error", "boundary_rmse", "spectral_rmse"}
"""Metrics in the units of the data: they scale with it, and an offset changes nothing."""
GRIDS_ONLY = {"spectral", "relative_h1", "spectral_rmse", "spectrum_error"}
METRIC_KNOWS_ZERO = {"relative_l2", "nrmse", "relative_h1"}
"""Metrics relative to the size of the target, of which an offset is a part."""


class Waves(Dataset):
    """Smooth fields on a grid or at scattered points: ``u``, ``velocity``, and ``rho``, constant up to float32.

    Args:
        scale: of all values.
        offset: added before scaling.
        constant: whether there is ``rho``.
        axes: X; ``velocity`` has as many channels.
    """

    def __init__(
        self, grid: bool, scale: float = 1.0, offset: float = 0.0, constant: bool = True, axes: int = 2
    ) -> None:
        self.grid = grid
        self.axes = axes
        self.constant = constant
        self.scale = scale
        self.offset = offset

    def spec(self) -> DataSpec:
        fields = (FieldSpec("u"), FieldSpec("velocity", self.axes), *[FieldSpec("rho")] * self.constant)
        shape = SHAPES[self.axes] if self.grid else None
        wraps = (self.grid and self.axes > 1, False, False)[: self.axes]
        return DataSpec(fields, fields, EXTENT[: self.axes], wraps, shape, origin=(0.0,) * self.axes)

    def trajectories(self, split: Split) -> Trajectories:
        return InMemory([self._trajectory(("train", "valid", "test").index(split) * 4 + i) for i in range(4)])

    def _trajectory(self, number: int) -> Trajectory:
        rng = torch.Generator().manual_seed(number)
        if self.grid:
            lines = [torch.linspace(0, e, n) for e, n in zip(EXTENT, SHAPES[self.axes], strict=False)]
            if self.axes > 1:  # it wraps around
                lines[0] = torch.arange(SHAPES[self.axes][0]) / SHAPES[self.axes][0]
            coords_NX = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1).flatten(0, -2)
        else:
            coords_NX = torch.rand(30 + number, self.axes, generator=rng) * torch.tensor(EXTENT[: self.axes])
            coords_NX[:2, 0] = torch.tensor([0.0, 1.0])
        phase_TC = torch.rand(1, 1 + self.axes, generator=rng).double() + 0.1 * torch.arange(5)[:, None]
        wave_TNC = (6 * (coords_NX.sum(-1)[None, :, None] + phase_TC[:, None])).sin()
        noise_TN1 = torch.randint(0, 2, (5, len(coords_NX), 1), generator=rng) * torch.finfo(torch.float32).eps
        wave_TNC, rho_TN1 = (wave_TNC + self.offset) * self.scale, (1 + noise_TN1.double()) * self.scale
        fields = {"u": wave_TNC[..., :1], "velocity": wave_TNC[..., 1:], "rho": rho_TN1}
        return Trajectory(fields, coords_NX, torch.arange(5.0), {}, 0 if self.grid else number)


def loss_value(name: str, prepared: PreparedData) -> float:
    """The term's value on one batch, for a model that was not trained."""
    config = plugin_model(plugins.installed().find("loss", name)).model_validate(
        {"name": name, **ARGUMENTS.get(name, {})}
    )
    term: LossTerm = config.build()
    weighted = WeightedTerm(name, term, FixedValue(1.0))
    bundle = LossBundle(small_model(prepared.data), [weighted], prepared.data, 0, prepared.normalization)
    batch = prepared.batches("train", max(1, term.horizon), 4, reference=term.needs_reference)[0]
    return bundle(batch, Progress()).values[name].item()


def metric_value(name: str, prepared: PreparedData) -> float:
    """The figure of predictions that are wrong by a tenth of a deviation, here and there."""
    metric: Metric = plugin_model(plugins.installed().find("metric", name)).model_validate({"name": name}).build()
    varying = prepared.normalization.std_C != 1  # an error of a constant field has no deviation to be measured in

    def predict(batch: Batch) -> Tensor:
        rng = torch.Generator().manual_seed(len(batch.target_BTNC))
        return batch.target_BTNC + 0.1 * torch.randn(batch.target_BTNC.shape, generator=rng) * varying

    return evaluate(predict, prepared.batches("test", 2, 3), {name: metric}, torch.device("cpu"))[name]


def built_in(kind: Any) -> list[str]:
    installed = plugins.installed()
    return [name for name in installed.names(kind) if str(installed.find(kind, name).target).startswith("upt_")]


World = dict[str, Any]


def worlds(name: str) -> Iterator[World]:
    """Grids and scattered points of 1 to 3 axes, those that the plugin takes."""
    for axes in (2, 1, 3):
        yield {"grid": True, "axes": axes, "constant": name not in VARYING_ONLY}
        if name not in GRIDS_ONLY and axes > 1:
            yield {"grid": False, "axes": axes, "constant": name not in VARYING_ONLY}


def scales_in(world: World) -> tuple[float, ...]:
    """Both in the plane; one suffices elsewhere."""
    return SCALES if world["axes"] == 2 else SCALES[:1]


@pytest.mark.parametrize("name", built_in("loss"))
def test_a_loss_is_the_same_in_any_unit(name: str) -> None:
    for world in worlds(name):
        expected = loss_value(name, PreparedData(Waves(**world)))
        assert expected > 0
        for scale in scales_in(world):
            factor = scale**2 if name in SQUARED_UNIT else 1.0
            scaled = PreparedData(Waves(scale=scale, **world))
            assert loss_value(name, scaled) == pytest.approx(expected * factor, rel=1e-4), world


@pytest.mark.parametrize("name", [name for name in built_in("loss") if name not in KNOWS_ZERO])
def test_a_loss_is_the_same_on_a_large_offset(name: str) -> None:
    for world in worlds(name):
        expected = loss_value(name, PreparedData(Waves(**world)))
        assert loss_value(name, PreparedData(Waves(offset=OFFSET, **world))) == pytest.approx(expected, rel=1e-4), world


@pytest.mark.parametrize("name", built_in("metric"))
def test_a_metric_is_the_same_in_any_unit(name: str) -> None:
    for world in worlds(name):
        expected = metric_value(name, PreparedData(Waves(**world)))
        assert expected > 0
        for scale in scales_in(world):
            factor = scale if name in ABSOLUTE else 1.0
            found = metric_value(name, PreparedData(Waves(scale=scale, **world)))
            assert found == pytest.approx(expected * factor, rel=1e-4), world


@pytest.mark.parametrize("name", [name for name in built_in("metric") if name not in METRIC_KNOWS_ZERO])
def test_a_metric_is_the_same_on_a_large_offset(name: str) -> None:
    for world in worlds(name):
        expected = metric_value(name, PreparedData(Waves(**world)))
        found = metric_value(name, PreparedData(Waves(offset=OFFSET, **world)))
        assert found == pytest.approx(expected, rel=1e-4), world


SMALL: dict[str, Any] = {
    "data": {"name": "advection1d"},  # stands for the data set that the test prepares
    "model": {
        "latent": {"tokens": 4, "dim": 8},
        "encoder": {"name": "grid", "patch": 4, "depth": 1},
        "approximator": {"name": "transformer", "depth": 1, "heads": 2},
        "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
    },
    "losses": {"forward": "forward", "inv_dec": "inverse_decoding"},
    "trainer": {"epochs": 2, "batch_size": 8, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
    "validation": {"metrics": {"vrmse": {"name": "vrmse", "field": "u"}}},
}


@pytest.mark.parametrize(("scale", "offset"), [(1e-12, 0.0), (1e12, 0.0), (1.0, OFFSET), (1e-12, OFFSET)])
def test_a_run_trains_to_the_same_in_any_unit(tmp_path: Path, scale: float, offset: float) -> None:
    figures = []
    for number, dataset in enumerate((Waves(True), Waves(True, scale, offset))):
        experiment = Experiment.from_dict(SMALL)
        built = experiment.build(PreparedData(dataset))
        folder = tmp_path / str(number)
        folder.mkdir()
        experiment.trainer(built, folder).train()
        figures.append(experiment.compare(built, "test")["model"]["vrmse"])
    assert figures[1] == pytest.approx(figures[0], rel=1e-3)
    assert not math.isclose(figures[0], 0)
