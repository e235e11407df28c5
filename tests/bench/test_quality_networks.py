"""The benchmark's rivals on grids: real trainings of them, what they are given, and what they say where they cannot."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from upt_bench.quality.between import Between, between
from upt_bench.quality.cell import Cell, measure
from upt_bench.quality.jax_training import Compiled, weight_of
from upt_bench.quality.mode_matrices import ModeMatrices
from upt_bench.quality.operators import JAX, OPERATORS, TORCH
from upt_bench.quality.places import num_places, places_of
from upt_bench.quality.tasks import TASKS
from upt_bench.quality.unet import unet
from upt_core import Experiment, UserError
from upt_optimizers.matrices import matrix_shapes

RNG = torch.Generator().manual_seed(0)
PACKAGES = {"fno": "neuralop.models", "tfno": "neuralop.models", "uno": "neuralop.models"}
PACKAGES |= {"unet": "monai.networks.nets.basic_unet", **dict.fromkeys(JAX, "pdequinox")}
EXTRAS = {"neuralop.models": "neuraloperator", "monai.networks.nets.basic_unet": "monai", "pdequinox": "apebench"}
ON_GRID = [name for name, own in OPERATORS.items() if own.family in (*TORCH, *JAX) and not own.plain]
WAVES = Between(1, 1, (32,), (True,), (16,), 8, placed=False, seed=0)

pytestmark = pytest.mark.filterwarnings("default")  # other packages warn of their own and each other's


def needs(family: str) -> Any:
    """The family's package, or no test."""
    package = PACKAGES[family]
    return pytest.importorskip(package, reason=f"{package} is not installed: the extra {EXTRAS[package]}")


@pytest.mark.parametrize("operator", ON_GRID)
def test_networks_on_grids_train_on_the_same_batches(operator: str) -> None:
    needs(OPERATORS[operator].family)
    row = measure(Cell("burgers1d", operator, 0, quick=True, seconds=0.3))
    assert row["steps"] > 0
    assert row["parameters"] > 1000
    assert row["seconds"] >= row["budget"] == 0.3
    assert all(math.isfinite(row[name]) for name in ("one_step", "rollout_physical", "finer", "spectrum_physical"))
    assert not {"rollout_latent", "half_way", "reconstruction"} & set(row)


@pytest.mark.parametrize("operator", [name for name in ON_GRID if not OPERATORS[name].family.endswith("unet")])
def test_networks_on_grids_take_three_dimensions(operator: str) -> None:
    needs(OPERATORS[operator].family)
    row = measure(Cell("burgers3d", operator, 0, quick=True, seconds=0.1))
    assert math.isfinite(row["rollout_physical"])


@pytest.mark.parametrize("operator", ["unet", "ape-resnet"])
def test_walls_and_places_in_two_dimensions(operator: str, tmp_path: Path) -> None:
    """Steady fields on 16 × 16 points between walls, as Darcy flow, with another channel out than in."""
    needs(operator)
    rng = np.random.default_rng(0)
    task = TASKS["darcy"]
    (tmp_path / task.file).parent.mkdir()  # type: ignore[operator]
    fields = {name: torch.from_numpy(rng.random((60, 16, 16), np.float32)) for name in "xy"}
    torch.save(fields, tmp_path / task.file)  # type: ignore[operator]
    row = measure(Cell("darcy", operator, 0, tmp_path, quick=True, seconds=0.2))
    assert math.isfinite(row["one_step"])
    assert "rollout_physical" not in row


@pytest.mark.parametrize("operator", [*TORCH, *JAX])
def test_without_its_package_it_says_what_to_install(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = PACKAGES[operator]
    monkeypatch.setitem(sys.modules, package, None)
    extra = EXTRAS[package]
    named = {"neuraloperator": "neuraloperator", "monai": "monai", "apebench": "pdequinox"}[extra]
    with pytest.raises(UserError) as caught:
        measure(Cell("burgers1d", operator, 0, quick=True, seconds=0.1))
    assert str(caught.value) == (
        f"the operator {operator} needs the package {named}; run: pip install 'upt-core[{extra}]'"
    )


def test_scattered_points_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "a.npz", pos=rng.random((60, 2)), u=rng.random((60, 3)), ptr=np.arange(0, 61, 5), t=np.arange(3)
    )
    task = TASKS["scattered_burgers"]
    experiment = Experiment.from_yaml(task.config(), [f"data.path={tmp_path / 'a.npz'}"])
    with pytest.raises(
        UserError, match=r"^the operator unet needs data on a regular grid; leave it out for this task$"
    ):
        between("unet", task, experiment)


def test_u_nets_refuse_grids_that_cannot_be_halved() -> None:
    with pytest.raises(UserError, match=r"unet halves every axis four times: at least 16 points, not \(8,\)"):
        unet(replace(WAVES, shape=(8,)))
    needs("ape-unet")
    from upt_bench.quality.apebench import network

    with pytest.raises(UserError, match=r"ape-unet needs axes of a multiple of 4 points, not \(30,\)"):
        network("ape-unet", replace(WAVES, shape=(30,)))


def test_networks_of_jax_are_trained_by_adamw_alone() -> None:
    needs("ape-fno")
    changes = ("trainer.optimizer={name: soap}",)
    with pytest.raises(UserError, match=r"ape-fno is trained by AdamW; set trainer.optimizer to one, or leave it out"):
        measure(Cell("burgers1d", "ape-fno", 0, quick=True, seconds=0.1, changes=changes))


@pytest.mark.parametrize("periodic", [True, False])
def test_a_u_net_wraps_around_where_the_grid_does(periodic: bool) -> None:
    needs("unet")
    network = unet(replace(WAVES, periodic=(periodic,)))
    field = torch.randn(2, 1, 32, generator=RNG)
    with torch.no_grad():
        moved, still = network(field.roll(16, -1)), network(field).roll(16, -1)
    assert torch.allclose(moved, still, atol=1e-5) is periodic


def test_weights_do_not_depend_on_what_was_drawn_before() -> None:
    needs("unet")
    torch.rand(3)
    first = unet(WAVES).state_dict()
    torch.rand(3)
    assert all(torch.equal(first[name], value) for name, value in unet(WAVES).state_dict().items())


def test_places_go_around_with_the_axes() -> None:
    places = places_of((4, 3), (True, False))
    assert places.shape == (num_places((True, False)), 4, 3) == (3, 4, 3)
    assert torch.allclose(places[:2, :, 0], torch.tensor([[1.0, 0, -1, 0], [0, 1, 0, -1]]), atol=1e-6)
    assert places[2, 0].tolist() == [-1, 0, 1]


def test_the_loss_of_jax_is_the_relative_error_in_physical_units() -> None:
    mean_C, std_C = torch.tensor([3.0, -1.0]).double(), torch.tensor([0.1, 20.0]).double()
    target_BNC, prediction_BNC = torch.randn(2, 4, 5, 2, generator=RNG)
    weight_BC = weight_of(target_BNC, mean_C, std_C)
    found_B = ((prediction_BNC - target_BNC) * weight_BC.unsqueeze(1)).flatten(1).norm(dim=1)
    physical, truth = (value * std_C + mean_C for value in (prediction_BNC, target_BNC))
    expected_B = (physical - truth).flatten(1).norm(dim=1) / truth.flatten(1).norm(dim=1)
    assert torch.allclose(found_B.double(), expected_B, rtol=1e-5)


def test_jax_compiles_once_for_each_shape_and_says_what_it_took() -> None:
    needs("ape-fno")
    import jax

    double = Compiled(jax.jit(lambda value: 2 * value))
    assert float(double((2,), np.ones(2))[1]) == 2
    once = double.spent
    assert once > 0
    double((2,), np.ones(2))
    assert double.spent == once
    double((3,), np.ones(3))
    assert double.spent > once


class Tucker(nn.Module):
    """A complex factor of two axes, a core of four, and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.randn(6, 2, dtype=torch.cfloat, generator=RNG))
        self.core = nn.Parameter(torch.randn(2, 3, 4, 5, dtype=torch.cfloat, generator=RNG))
        self.skip = nn.Conv1d(3, 7, 1)


def test_factors_and_convolutions_are_the_matrices_that_they_are() -> None:
    model = Tucker()
    seen, before = ModeMatrices(model), model.factor.detach().clone()
    shapes = matrix_shapes(seen)
    assert [(s.count, s.rows, s.columns) for s in shapes.values()] == [(2, 6, 2), (40, 2, 3), (1, 7, 3)]
    assert model.skip.bias in set(seen.parameters())
    for weight in (model.factor, model.core):
        weight.grad = torch.ones_like(weight)
    seen.pull()
    torch.optim.SGD(seen.matrices.parameters(), lr=0.5).step()
    seen.push()
    assert torch.allclose(model.factor, before - 0.5)
