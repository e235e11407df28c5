"""Terms on targets at points of their own: each looks where the values are that it compares."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from upt_core import Batch, LossTerm, Points
from upt_core.testing.alone import alone
from upt_losses.forward import Forward
from upt_losses.inverse_decoding import InverseDecoding
from upt_losses.inverse_encoding import InverseEncoding
from upt_losses.rollout import Rollout
from upt_samplers.importance import Importance
from upt_samplers.uniform import Uniform


def apart(small, num: int = 7, lengths: tuple[int, ...] | None = None) -> Batch:
    """Inputs at other points than the targets, and other in number."""
    rng = torch.Generator().manual_seed(1)
    data, rows = small.data, len(small.batch.input_BNC)
    coords_BNX = torch.rand(rows, num, data.num_axes, generator=rng)
    return replace(
        small.batch,
        input_BNC=torch.randn(rows, num, data.input_channels, generator=rng),
        own_input_points=Points(coords_BNX, None, lengths, extent=data.extent, periodic=data.periodic),
        later_BTNC=torch.randn(rows, 3, num, data.frame_channels, generator=rng),
    )


TERMS: list[LossTerm] = [
    Forward(),
    Forward(space="latent"),
    InverseEncoding(),
    InverseEncoding(norm="relative"),
    InverseDecoding(),
    InverseDecoding(of="predicted"),
    InverseDecoding(reads="mixed"),
    Rollout(3),
    Rollout(3, space="physical"),
]


@pytest.mark.parametrize("sampled", [False, True], ids=["all points", "uniform"])
@pytest.mark.parametrize("term", TERMS, ids=lambda term: f"{type(term).__name__} {vars(term)}"[:60])
def test_a_sample_alone_is_worth_what_it_is_in_a_padded_batch(world, term, sampled):
    small = world("padded")
    small.batch = apart(small, 9, (9, 4, 6))
    together = term(small.step(Uniform(num_queries=100) if sampled else None))
    rows = []
    for row in range(3):
        small.batch = alone(apart(world("padded"), 9, (9, 4, 6)), row)
        rows.append(term(small.step()))
    torch.testing.assert_close(together, torch.stack(rows).mean(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("term", [InverseEncoding(), InverseDecoding(), InverseDecoding(reads="mixed")])
def test_inverse_terms_look_at_the_points_of_the_inputs_alone(world, term):
    small = world("points")
    small.batch = apart(small)
    before = term(small.step(Uniform(num_queries=4)))
    elsewhere = replace(small.batch.points, coords_BNX=torch.rand_like(small.batch.points.coords_BNX))
    small.batch = replace(small.batch, points=elsewhere, target_BTNC=torch.zeros_like(small.batch.target_BTNC))
    assert torch.equal(term(small.step(Uniform(num_queries=4))), before)


@pytest.mark.parametrize("term", [Forward(), Rollout(2)])
def test_terms_of_predictions_look_at_the_points_of_the_targets(world, term):
    small = world("points")
    small.batch = apart(small)
    queries = small.step(Uniform(num_queries=4)).queries()
    assert queries.index_BQ is not None
    assert queries.index_BQ.shape == (3, 4)
    before = term(small.step())
    moved = small.batch.points.coords_BNX.flip(1)  # the same targets at other points are another question
    small.batch = replace(small.batch, points=replace(small.batch.points, coords_BNX=moved))
    assert not torch.allclose(term(small.step()), before)


def test_queries_at_the_inputs_are_draws_of_their_own_that_terms_share(world, uniform):
    small = world("points")
    small.batch = apart(small, 20)
    step = small.step(Uniform(num_queries=5))
    here, there = step.queries(), step.at_inputs().queries()
    assert here.index_BQ is not None
    assert not torch.equal(here.index_BQ, there.index_BQ)
    assert step.at_inputs().queries() is there
    assert step.at_inputs().at_inputs().points is small.batch.own_input_points
    whole = world("points").step(Uniform(num_queries=5))
    assert whole.at_inputs() is whole


def test_what_has_no_values_at_the_other_points_is_refused(world):
    small = world("points")
    small.batch = apart(small)
    step = small.step()
    with pytest.raises(ValueError, match=r"no values at these query points; use step.at"):
        step.input()
    for ask in (step.at_inputs().target, step.at_inputs().reference):
        with pytest.raises(ValueError, match="use the step itself, not step.at_inputs"):
            ask()
    learning = small.step(Importance(num_queries=4))
    assert learning.queries().index_BQ is not None
    with pytest.raises(
        ValueError,
        match=r"Importance learns errors at the points of the targets; give this term a "
        r"sampler",
    ):
        InverseEncoding()(learning)


def test_the_past_of_a_history_is_that_of_the_inputs(world):
    small = world("points")
    small.batch = apart(small)
    small.data = replace(small.data, history=2)
    past = torch.randn(3, 7, 2 * small.data.frame_channels)
    small.batch = replace(small.batch, input_BNC=past)
    step, frames = small.step(), small.data.frame_channels
    later_BTNC = small.batch.later_BTNC
    assert later_BTNC is not None
    assert torch.equal(step.true_input(1), torch.cat([past[..., frames:], later_BTNC[:, 0]], dim=-1))
    assert torch.equal(step.true_input(3), torch.cat([later_BTNC[:, 1], later_BTNC[:, 2]], dim=-1))
