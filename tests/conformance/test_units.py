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

ARGUMENTS: dict[str, dict[str, Any]] = {
    "divergence": {"field": "velocity"},
    "positivity": {"fields": ["velocity"]},
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
METRIC_KNOWS_ZERO = {"relative_l2", "nrmse", "relative_h1"}
"""Metrics relative to the size of the target, of which an offset is a part."""


class Waves(Dataset):
    """Smooth fields on a grid or at scattered points: ``u``, ``velocity``, and ``rho``, constant up to float32.

    Args:
        scale: of all values.
        offset: added before scaling.
        constant: whether there is ``rho``.
    """

    def __init__(self, grid: bool, scale: float = 1.0, offset: float = 0.0, constant: bool = True) -> None:
        self.grid = grid
        self.constant = constant
        self.scale = scale
        self.offset = offset

    def spec(self) -> DataSpec:
        fields = (FieldSpec("u"), FieldSpec("velocity", 2), *[FieldSpec("rho")] * self.constant)
        shape = (8, 8) if self.grid else None
        return DataSpec(fields, fields, (1.0, 2.0), (self.grid, False), shape, origin=(0.0, 0.0))

    def trajectories(self, split: Split) -> Trajectories:
        return InMemory([self._trajectory(("train", "valid", "test").index(split) * 4 + i) for i in range(4)])

    def _trajectory(self, number: int) -> Trajectory:
        rng = torch.Generator().manual_seed(number)
        if self.grid:
            axes = [torch.arange(8) / 8, torch.linspace(0, 2, 8)]
            coords_NX = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, 1)
        else:
            coords_NX = torch.rand(30 + number, 2, generator=rng) * torch.tensor([1.0, 2.0])
            coords_NX[:2, 0] = torch.tensor([0.0, 1.0])
        phase_TC = torch.rand(1, 3, generator=rng).double() + 0.1 * torch.arange(5)[:, None]
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


def worlds(name: str, kind: str) -> Iterator[bool]:
    """Grid, and scattered points where the plugin takes them."""
    yield True
    if name not in ("spectral", "relative_h1", "spectral_rmse", "spectrum_error"):
        yield False


@pytest.mark.parametrize("name", built_in("loss"))
def test_a_loss_is_the_same_in_any_unit(name: str) -> None:
    for grid in worlds(name, "loss"):
        expected = loss_value(name, PreparedData(Waves(grid, constant=name not in VARYING_ONLY)))
        assert expected > 0
        for scale in SCALES:
            factor = scale**2 if name in SQUARED_UNIT else 1.0
            scaled = PreparedData(Waves(grid, scale, constant=name not in VARYING_ONLY))
            assert loss_value(name, scaled) == pytest.approx(expected * factor, rel=1e-4)


@pytest.mark.parametrize("name", [name for name in built_in("loss") if name not in KNOWS_ZERO])
def test_a_loss_is_the_same_on_a_large_offset(name: str) -> None:
    for grid in worlds(name, "loss"):
        expected = loss_value(name, PreparedData(Waves(grid)))
        assert loss_value(name, PreparedData(Waves(grid, 1.0, OFFSET))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", built_in("metric"))
def test_a_metric_is_the_same_in_any_unit(name: str) -> None:
    for grid in worlds(name, "metric"):
        expected = metric_value(name, PreparedData(Waves(grid)))
        assert expected > 0
        for scale in SCALES:
            factor = scale if name in ABSOLUTE else 1.0
            assert metric_value(name, PreparedData(Waves(grid, scale))) == pytest.approx(expected * factor, rel=1e-4)


@pytest.mark.parametrize("name", [name for name in built_in("metric") if name not in METRIC_KNOWS_ZERO])
def test_a_metric_is_the_same_on_a_large_offset(name: str) -> None:
    for grid in worlds(name, "metric"):
        expected = metric_value(name, PreparedData(Waves(grid)))
        assert metric_value(name, PreparedData(Waves(grid, 1.0, OFFSET))) == pytest.approx(expected, rel=1e-4)


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
