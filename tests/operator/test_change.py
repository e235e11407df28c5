"""Operators that predict changes: what is too fine for the latent stays, in training, rollouts and between points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from upt_core import (
    Approximator,
    Batch,
    ConfigError,
    DataSpec,
    Decoder,
    Encoder,
    Experiment,
    FieldSpec,
    Points,
    Queries,
    Step,
    Upt,
    UserError,
    load,
)
from upt_core.change import Between, check_changes, present
from upt_core.operator.rollout import Space, persistence, predictions, rollout
from upt_losses.divergence import Divergence
from upt_losses.rollout import Rollout

from .conftest import CONFIG, Make, waves

U = (FieldSpec("u"),)
DATA = DataSpec(U, U, (1.0, 1.0), (False, False))


class Mean(Encoder):
    """One token: the mean of the field, so that all that is finer is lost."""

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return input_BNC.mean(dim=1, keepdim=True)


class Grows(Approximator):
    """The mean grows by one."""

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        return latent_BLD + 1


class Everywhere(Decoder):
    """The mean at every point."""

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        return latent_BLD.expand(-1, coords_BQX.shape[1], -1)


def batch_of(points: int = 50, steps: int = 3) -> Batch:
    """Rough fields that grow by one in a time step."""
    rng = torch.Generator().manual_seed(0)
    first_BNC = torch.randn(2, points, 1, generator=rng)
    targets = torch.stack([first_BNC + step for step in range(1, steps + 1)], dim=1)
    return Batch(first_BNC, targets, Points(torch.rand(2, points, 2, generator=rng)))


def model(predict: Any = "change") -> Upt:
    return Upt(Mean(), Grows(), Everywhere(), predict)


@pytest.mark.parametrize("space", ["latent", "physical"])
def test_detail_that_no_latent_holds_is_kept_through_rollouts(space: Space) -> None:
    batch = batch_of()
    found_BTNC = rollout(model(), DATA, batch, 3, space)
    torch.testing.assert_close(found_BTNC, batch.target_BTNC)
    assert (rollout(model("state"), DATA, batch, 3, space) - batch.target_BTNC).abs().mean() > 0.5


def test_loss_terms_see_the_same_prediction_at_their_query_points() -> None:
    step = Step(model(), batch_of(), DATA)
    queries = Queries(torch.tensor([[3, 7, 7], [0, 49, 1]]))
    for time in (1, 2, 3):
        torch.testing.assert_close(step.predicted(time, queries), step.target(time, queries))
    assert step.reconstructed(queries).std(dim=1).max() == 0  # what the decoder says of the latent, without detail


@pytest.mark.parametrize("options", [{}, {"space": "physical"}, {"gradient_steps": 1}])
def test_rollout_starts_from_the_state_that_it_encodes(options: Any) -> None:
    step = Step(model(), batch_of(), DATA)
    assert Rollout(steps=3, **options)(step) < 1e-10


def test_the_detail_of_one_state_is_decoded_once_for_all_time_steps() -> None:
    small, sizes = model(), []
    small.decoder.register_forward_hook(lambda part, given, answer: sizes.append(answer.shape[1]))
    Rollout(steps=3, gradient_steps=2)(Step(small, batch_of(), DATA))
    assert len(sizes) == 2 + 1


def test_a_sample_of_fewer_points_than_neighbours_stands_beside_larger_ones() -> None:
    rng = torch.Generator().manual_seed(0)
    coords_BNX, query_BQX = torch.rand(2, 5, 2, generator=rng), torch.rand(2, 7, 2, generator=rng)
    value_BNC = torch.tensor([[[1.0], [3.0], [9.0], [9.0], [9.0]]]).expand(2, -1, -1)
    together = Between.find(Points(coords_BNX, lengths=(2, 5)), query_BQX).carry(value_BNC)
    alone = Between.find(Points(coords_BNX[:1, :2]), query_BQX[:1]).carry(value_BNC[:1, :2])
    torch.testing.assert_close(together[:1], alone)
    assert alone.min() > 1
    assert alone.max() < 3


def test_between_points_detail_is_carried_from_the_nearest() -> None:
    batch = batch_of()
    at_BQX = batch.points.coords_BNX[:, 10:20].clone()
    found_BQC = next(predictions(model(), DATA, batch, 1, query_BQX=at_BQX))
    torch.testing.assert_close(found_BQC, batch.target_BTNC[:, 0, 10:20])
    (away_BQC,) = predictions(model(), DATA, batch, 1, query_BQX=torch.rand(2, 30, 2))
    assert away_BQC.min() > batch.target_BTNC[:, 0].min()
    assert away_BQC.max() < batch.target_BTNC[:, 0].max()


def test_the_nearest_points_are_found_around_a_periodic_axis_and_among_real_points_alone() -> None:
    coords = torch.tensor([[[0.02], [0.5], [0.9], [0.0]], [[0.3], [0.35], [0.6], [0.61]]])
    points = Points(coords, lengths=(3, 4), periodic=(True,))
    between = Between.find(points, torch.tensor([[[0.99]], [[0.31]]]))
    assert between.near_BQK.tolist() == [[[0, 2]], [[0, 1]]]  # 0.02 is 0.03 away; the padding at 0 is no point
    expected = torch.tensor([[[9.0, 1.0]], [[16.0, 1.0]]])
    torch.testing.assert_close(between.share_BQK, expected / expected.sum(-1, keepdim=True), atol=1e-4, rtol=1e-3)


def test_of_bundled_steps_the_last_is_the_present() -> None:
    fields = (FieldSpec("u", 2), FieldSpec("v", 4))
    data = replace(DATA, inputs=fields, targets=fields[::-1], bundle=2)
    frame = torch.tensor([[[10.0, 11.0, 20.0, 30.0, 21.0, 31.0]]])
    assert present(data, frame).tolist() == [[[21, 31, 21, 31, 11, 11]]]
    batch = Batch(frame, torch.zeros(1, 1, 1, 6), Points(torch.zeros(1, 1, 2)))
    assert torch.equal(persistence(data, batch, 1)[:, 0], present(data, frame))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"steady": True}, "the problem is steady, so no state changes; write predict: state"),
        ({"targets_apart": True}, "the targets are at other points than the inputs, and no state is given there"),
        ({"targets": (FieldSpec("p"),)}, "a change is one from a given state, but p is predicted and not an input"),
    ],
)
def test_data_without_a_state_that_changes_are_refused(change: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        check_changes(replace(DATA, **change))


def test_a_configuration_trains_and_its_file_predicts_changes(make: Make) -> None:
    make(model={"predict": "change"}).train(Path("run"))
    operator = load("run")
    assert operator.model.predict == "change"
    u = waves(5, trajectories=2)[:, 0]
    whole = operator.predict({"u": u}, steps=2)["u"]
    places = np.arange(32)[:, None] / 32
    np.testing.assert_allclose(operator.predict({"u": u}, at=places, steps=2)["u"], whole, atol=1e-5)
    assert load(operator.save("kept.pt")).model.predict == "change"
    with pytest.raises(UserError, match="the fields do not follow from a latent state alone; use predict"):
        operator.decode(operator.encode({"u": u}), at=places)
    with pytest.raises(UserError, match="predicts changes .* cannot be exported: .* use upt predict, or upt_core.load"):
        operator.export("waves.pt2")


def test_an_operator_that_starts_from_it_predicts_changes_too(make: Make) -> None:
    make(model={"predict": "change"}).train(Path("run"))
    config = {key: value for key, value in CONFIG.items() if key != "model"}
    started = Experiment.from_dict({**config, "model": {"from": "run"}}, "again").build()
    assert started.bundle.model.predict == "change"


def test_a_problem_without_a_present_is_refused_with_its_place(make: Make) -> None:
    u = waves(0)
    np.savez("train.npz", u=u[:, 0], f=u[:, 1], x=np.arange(32) / 32)
    steady = {"steady": True, "inputs": ["u"], "targets": ["f"]}
    with pytest.raises(ConfigError, match=r"model\.predict.*the problem is steady"):
        make(data=steady, model={"predict": "change"}).build()


def test_divergence_by_autograd_is_refused() -> None:
    velocity = (FieldSpec("velocity", 2),)
    step = Step(model(), batch_of(), replace(DATA, inputs=velocity, targets=velocity))
    with pytest.raises(ValueError, match=r"this model predicts changes .* use method: grid on a grid"):
        Divergence("velocity")(step)
