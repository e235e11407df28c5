"""Time belongs to the step: conditions and given fields that change are those of the step at hand, everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from upt_core import (
    Approximator,
    Dataset,
    DataSpec,
    Decoder,
    Encoder,
    FieldSpec,
    InMemory,
    Points,
    Split,
    Step,
    Trajectories,
    Trajectory,
    Upt,
)
from upt_core.data.prepared import PreparedData
from upt_core.operator.rollout import Space, rollout
from upt_data.npz import Npz
from upt_data.pdebench import PdeBench
from upt_data.points import PointClouds
from upt_losses.rollout import Rollout

TIMES_T = torch.tensor([0.0, 0.05, 0.25, 0.3, 0.5, 0.55, 0.75], dtype=torch.float64)  # steps of 0.05 and 0.2
RATE_T = torch.tensor([1.0, -2.0, 0.5, 4.0, 0.0, -1.0, 99.0], dtype=torch.float64)  # the last is of no step


class Carry(Encoder):
    """One token for each point: its fields and its coordinates."""

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return torch.cat([input_BNC, points.coords_BNX], dim=-1)


class Integrate(Approximator):
    """Exact for du/dt = rate (a condition) or du/dt = force (the second field), constant within each step."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        assert condition_BP is not None
        known = dict(zip(self.names, condition_BP.T[..., None, None], strict=True))
        rate = known["rate"] if "rate" in known else latent_BLD[..., 1:2]
        return torch.cat([latent_BLD[..., :1] + rate * known["time_step"], latent_BLD[..., 1:]], dim=-1)


class Nearest(Decoder):
    """The fields of the token nearest to a query point."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.data = data

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        coords_BLX = latent_BLD[..., -self.data.num_axes :].contiguous()
        nearest_BQ = torch.cdist(coords_BQX.contiguous(), coords_BLX).argmin(dim=-1, keepdim=True)
        return latent_BLD[..., : self.data.channels].gather(1, nearest_BQ.expand(-1, -1, self.data.channels))


class Given(Dataset):
    """Given trajectories, the same in each split."""

    def __init__(self, data: DataSpec, trajectories: list[Trajectory]) -> None:
        self.data = data
        self.given = trajectories

    def spec(self) -> DataSpec:
        return self.data

    def trajectories(self, split: Split) -> Trajectories:
        return InMemory(self.given)


def integrated(rate_TN1: Tensor, times_T: Tensor, first_N1: Tensor) -> Tensor:
    """u (T, N, 1) of du/dt = rate, from ``first_N1`` on."""
    change = rate_TN1[:-1] * times_T.diff()[:, None, None]
    return torch.cat([first_N1[None], first_N1 + change.cumsum(0)]).float()


def coords(points: int, grid: bool) -> Tensor:
    return torch.linspace(0, 1, points)[:, None] if grid else torch.rand(points, 2, generator=seeded(points))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def driven(grid: bool) -> PreparedData:
    """Trajectories moved by a condition that changes in time, at uneven times; scattered ones differ in size."""
    trajectories = []
    for number, points in enumerate([6, 6, 6] if grid else [6, 5, 7]):
        rate_T = RATE_T * (number + 1)
        first_N1 = torch.rand(points, 1, generator=seeded(number))
        u_TN1 = integrated(rate_T[:, None, None].expand(-1, points, 1), TIMES_T, first_N1)
        trajectories.append(
            Trajectory({"u": u_TN1}, coords(points, grid), TIMES_T, {"rate": rate_T}, 0 if grid else number)
        )
    u, axes = (FieldSpec("u"),), 1 if grid else 2
    data = DataSpec(u, u, (1.0,) * axes, (False,) * axes, (6,) if grid else None, ("rate",), origin=(0.0,) * axes)
    return PreparedData(Given(data, trajectories), "none")


def forced(grid: bool) -> PreparedData:
    """The same moved by a given field that changes in time; of the last trajectory it is constant."""
    trajectories = []
    for number in range(3):
        force_TN1 = RATE_T[:, None, None] * torch.rand(1, 6, 1, generator=seeded(9))
        force_TN1 = force_TN1[:1] if number == 2 else force_TN1
        u_TN1 = integrated(force_TN1.expand(len(TIMES_T), -1, -1), TIMES_T, torch.zeros(6, 1))
        trajectories.append(Trajectory({"u": u_TN1, "force": force_TN1.float()}, coords(6, grid), TIMES_T, {}))
    u, axes = FieldSpec("u"), 1 if grid else 2
    data = DataSpec((u, FieldSpec("force")), (u,), (1.0,) * axes, (False,) * axes, (6,) if grid else None)
    return PreparedData(Given(data, trajectories), "none")


def pdebench_file(folder: Path) -> Path:
    """A PDEBench file with uneven times, in which u grows by 1 in each unit of time."""
    x = (np.arange(16) + 0.5) / 16
    first = np.random.default_rng(0).random((8, 1, 16))
    u = first + TIMES_T.numpy()[None, :, None]
    with h5py.File(folder / "growth.hdf5", "w") as file:
        file["tensor"], file["x-coordinate"] = u.astype("f4"), x.astype("f4")
        file["t-coordinate"] = np.append(TIMES_T.numpy(), 1.0).astype("f4")  # one more than there are states
    return folder / "growth.hdf5"


def exact(data: DataSpec) -> Upt:
    return Upt(Carry(), Integrate(data.condition), Nearest(data))


@pytest.mark.parametrize("space", ["latent", "physical"])
@pytest.mark.parametrize("grid", [True, False], ids=["grid", "points"])
def test_a_rollout_is_told_the_conditions_of_each_step(grid: bool, space: Space) -> None:
    prepared = driven(grid)
    assert prepared.data.condition == ("rate", "time_step")
    for horizon in (6, 3):  # from every state on
        for batch in prepared.batches("test", horizon, 2).iterate(0, prepared.batches("test", horizon, 2).per_epoch):
            predicted = rollout(exact(prepared.data), prepared.data, batch, horizon, space)
            assert error(predicted, batch.target_BTNC, batch.points) < 1e-5


@pytest.mark.parametrize("grid", [True, False], ids=["grid", "points"])
def test_a_rollout_is_told_the_given_fields_of_each_step(grid: bool) -> None:
    prepared = forced(grid)
    batch = prepared.batches("test", 6, 3)[0]
    assert batch.given_BTNC is not None
    predicted = rollout(exact(prepared.data), prepared.data, batch, 6, "physical")
    assert error(predicted, batch.target_BTNC, batch.points) < 1e-5


def test_the_encoded_truth_holds_the_given_fields_of_its_step() -> None:
    prepared = forced(True)
    batch = prepared.batches("test", 6, 3)[0]
    step = Step(exact(prepared.data), batch, prepared.data)
    force_BT = torch.stack([step.encoded_target(time)[:, 3, 1] for time in range(1, 7)], dim=1)
    whole = prepared.trajectories("test").read(0, 0, 7).fields["force"]
    assert torch.equal(force_BT[0], whole[1:, 3, 0])
    assert torch.equal(force_BT[2], whole[:1, 3, 0].expand(6))  # constant


@pytest.mark.parametrize("make", [lambda folder: driven(True), lambda folder: driven(False)], ids=["grid", "points"])
def test_the_rollout_term_is_zero_for_the_exact_model(make: Callable[[Path], PreparedData], tmp_path: Path) -> None:
    prepared = make(tmp_path)
    batch = prepared.batches("train", 5, 3)[0]
    assert Rollout(steps=5)(Step(exact(prepared.data), batch, prepared.data)).item() < 1e-10


@pytest.mark.parametrize("space", ["latent", "physical"])
def test_uneven_times_of_a_pdebench_file_are_those_of_each_step(tmp_path: Path, space: Space) -> None:
    prepared = PreparedData(PdeBench(path=pdebench_file(tmp_path)), "none")
    assert prepared.data.condition == ("time_step",)

    class Grow(Integrate):
        def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
            assert condition_BP is not None
            return torch.cat([latent_BLD[..., :1] + condition_BP[:, None], latent_BLD[..., 1:]], dim=-1)

    model = Upt(Carry(), Grow(prepared.data.condition), Nearest(prepared.data))
    batch = prepared.batches("test", 6, 3)[0]
    assert error(rollout(model, prepared.data, batch, 6, space), batch.target_BTNC, batch.points) < 1e-5


def test_conditions_are_float32_whatever_the_data(tmp_path: Path) -> None:
    batch = driven(True).batches("train", 2, 3)[0]
    assert batch.condition_BTP is not None
    assert batch.condition_BTP.dtype == torch.float32
    assert batch.condition_BTP.shape == (3, 2, 2)


def test_a_rollout_beyond_the_conditions_is_refused() -> None:
    prepared = driven(True)
    batch = prepared.batches("test", 2, 3)[0]
    with pytest.raises(ValueError, match=r"a rollout needs step 3, but the batch has conditions for only 2 steps"):
        rollout(exact(prepared.data), prepared.data, batch, 3)


def test_a_rollout_beyond_the_given_fields_is_refused() -> None:
    prepared = forced(True)
    batch = prepared.batches("test", 2, 3)[0]
    with pytest.raises(ValueError, match=r"a rollout needs step 3, but the batch has given fields for only 2"):
        batch.given_at(3)


def error(predicted_BTNC: Tensor, target_BTNC: Tensor, points: Points) -> float:
    """The largest error at a real point."""
    difference = (predicted_BTNC - target_BTNC).abs()
    mask_BN = points.mask_BN
    return float(difference.where(mask_BN[:, None, :, None], 0).max() if mask_BN is not None else difference.max())


def test_conditions_over_time_are_read_from_files(tmp_path: Path) -> None:
    num, x = 6, np.arange(8) / 8
    rate = np.stack([RATE_T.numpy() * (number + 1) for number in range(num)])
    u = np.stack(
        [integrated(torch.from_numpy(r)[:, None, None].expand(-1, 8, 1), TIMES_T, torch.rand(8, 1)) for r in rate]
    )
    np.savez(tmp_path / "grid.npz", u=u[..., 0], x=x, t=TIMES_T.numpy(), rate=rate)
    rows = u[..., 0].transpose(0, 2, 1).reshape(num * 8, -1)
    ptr = 8 * np.arange(num + 1)
    np.savez(tmp_path / "points.npz", u=rows, pos=np.tile(x, num)[:, None], ptr=ptr, t=TIMES_T.numpy(), rate=rate)
    for dataset in (
        Npz(path=tmp_path / "grid.npz", conditions=["rate"]),
        PointClouds(path=tmp_path / "points.npz", conditions=["rate"]),
    ):
        prepared = PreparedData(dataset, "none")
        assert prepared.data.condition == ("rate", "time_step")
        batch = prepared.batches("train", 6, 4)[0]
        predicted = rollout(exact(prepared.data), prepared.data, batch, 6)
        assert error(predicted, batch.target_BTNC, batch.points) < 1e-4
