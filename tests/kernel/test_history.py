"""Past time steps as input: the encoder sees the last H frames, oldest first, in every use of the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import upt_core
from upt_core import (
    Approximator,
    DataError,
    Decoder,
    Encoder,
    Experiment,
    Points,
    Step,
    Upt,
)
from upt_core.data.prepared import PreparedData
from upt_core.operator.rollout import Space, persistence, rollout
from upt_data.npz import Npz
from upt_losses.inverse_decoding import InverseDecoding

Tiny = Callable[..., Experiment]
X, T = np.arange(16) / 16, np.arange(9) / 8


def data_file(folder: Path, given: bool = False) -> dict[str, Any]:
    """Waves that go left or right, which one frame does not tell; and a given field that changes in time."""
    rng = np.random.default_rng(0)
    c = rng.choice([-1, 1], (20, 1, 1)) * 0.5
    u = np.sin(2 * np.pi * (X - rng.random((20, 1, 1)) - c * T[:, None]))
    np.savez(folder / "waves.npz", u=u, force=np.broadcast_to(T[:, None], u.shape), x=X, t=T)
    fields = {"inputs": ["u", "force"], "targets": ["u"]} if given else {"inputs": ["u"]}
    return {"name": "npz", "path": str(folder / "waves.npz"), "periodic": True, **fields}


def prepared_of(folder: Path, history: int, given: bool = False) -> PreparedData:
    settings = data_file(folder, given)
    settings.pop("name")
    return PreparedData(Npz(**settings, history=history), "none")


@pytest.mark.parametrize("history", [1, 2, 4])
def test_the_input_is_the_last_frames_oldest_first(tmp_path: Path, history: int) -> None:
    prepared = prepared_of(tmp_path, history, given=True)
    assert prepared.data.input_channels == 2 * history
    batches = prepared.batches("test", 2, 4)
    whole = prepared.trajectories("test").read(0, 0, 9).fields
    assert batches.num_samples == 2 * (9 - 2 - (history - 1))
    batch = batches[0]
    for row in range(3):
        for frame in range(history):
            assert torch.equal(batch.input_BNC[row, :, 2 * frame], whole["u"][row + frame, :, 0].float())
            assert torch.equal(batch.input_BNC[row, :, 2 * frame + 1], whole["force"][row + frame, :, 0].float())
        assert torch.equal(batch.target_BTNC[row, :, :, 0], whole["u"][row + history : row + history + 2, :, 0].float())
        assert batch.given_BTNC is not None
        expected = whole["force"][row + history : row + history + 2, :, 0].float()
        assert torch.equal(batch.given_BTNC[row, :, :, 0], expected)


class Frames(Encoder):
    """One token for each point: all frames and the coordinate."""

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return torch.cat([input_BNC, points.coords_BNX], dim=-1)


class Extrapolate(Approximator):
    """The exact next frame of any sum of waves of one wavenumber that moves: 2 cos(ω) · present − past."""

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        past, present, coords = latent_BLD.split(1, dim=-1)
        following = 2 * np.cos(2 * np.pi * 0.5 / 8) * present - past
        return torch.cat([present, following, coords], dim=-1)


class Latest(Decoder):
    """The present frame at the nearest point."""

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        nearest_BQ1 = torch.cdist(coords_BQX.contiguous(), latent_BLD[..., 2:].contiguous()).argmin(-1, keepdim=True)
        return latent_BLD[..., 1:2].gather(1, nearest_BQ1)


@pytest.mark.parametrize("space", ["latent", "physical"])
def test_rollouts_carry_the_frames_on(tmp_path: Path, space: Space) -> None:
    prepared = prepared_of(tmp_path, 2)
    batch = prepared.batches("test", 7, 4, first_only=True)[0]
    predicted = rollout(Upt(Frames(), Extrapolate(), Latest()), prepared.data, batch, 7, space)
    torch.testing.assert_close(predicted, batch.target_BTNC, atol=1e-4, rtol=0)


def test_encoded_truths_and_decoded_inputs_carry_the_frames_on(tmp_path: Path) -> None:
    prepared = prepared_of(tmp_path, 2)
    batch = prepared.batches("train", 3, 4)[0]
    step = Step(Upt(Frames(), Extrapolate(), Latest()), batch, prepared.data)
    for time in (1, 2, 3):
        torch.testing.assert_close(step.encoded_target(time), step.latent(time), atol=1e-5, rtol=0)
    assert torch.equal(step.input(), batch.input_BNC[..., 1:])
    for of in ("current", "predicted"):
        assert InverseDecoding(of=of)(step).item() < 1e-10


def test_persistence_repeats_the_present(tmp_path: Path) -> None:
    prepared = prepared_of(tmp_path, 2)
    batch = prepared.batches("test", 3, 4)[0]
    assert torch.equal(persistence(prepared.data, batch, 3)[:, 2], batch.input_BNC[..., 1:])


def test_a_run_with_a_history_learns_the_direction(tiny: Tiny, tmp_path: Path) -> None:
    figures = []
    for history in (1, 2):
        run_dir = tmp_path / f"run{history}"
        run_dir.mkdir()
        experiment = tiny(
            data=data_file(tmp_path) | {"history": history},
            sampler=...,
            losses={
                "forward": {"name": "forward"},
                "inv_enc": ...,
                "inv_dec": {"name": "inverse_decoding", "weight": 0.01},
            },
            model={"latent": {"tokens": 4, "dim": 16}, "encoder": {"name": "grid", "patch": 4, "depth": 1}},
            trainer={"epochs": 40, "batch_size": 16, "optimizer": {"name": "adamw", "lr": 0.003}},
        )
        figures.append(experiment.train(run_dir)["model"]["relative_l2"])
    assert figures[1] < 0.6 * figures[0]
    operator = upt_core.load(tmp_path / "run2")
    assert operator.data.history == 2
    u = np.load(tmp_path / "waves.npz")["u"]
    assert operator.predict({"u": u[:3, :2]}, steps=4)["u"].shape == (3, 4, 16)


def test_a_history_longer_than_the_trajectories_is_refused(tmp_path: Path) -> None:
    prepared = prepared_of(tmp_path, 9)
    message = r"the run needs 1 target time steps after an input of 9 frames, but the longest of 16 trajectories has 9"
    with pytest.raises(DataError, match=message):
        prepared.batches("train", 1, 4)
