"""What holds for every built-in loss term."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from upt_core import Batch, DataSpec, LossTerm
from upt_core.registry.discovery import installed
from upt_losses.boundary import Boundary
from upt_losses.conservation import Conservation
from upt_losses.divergence import Divergence
from upt_losses.forward import Forward
from upt_losses.inverse_decoding import InverseDecoding
from upt_losses.inverse_encoding import InverseEncoding
from upt_losses.latent_diversity import LatentDiversity
from upt_losses.latent_norm import LatentNorm
from upt_losses.positivity import Positivity
from upt_losses.relative_lp import RelativeLp
from upt_losses.rollout import Rollout
from upt_losses.spectral import Spectral

ALL = {"encoder", "approximator", "decoder"}
GRIDS, POINTS = ("line", "plane", "box"), ("points", "padded")
CASES = {
    "forward": (Forward(), (*GRIDS, *POINTS, "darcy", "forced"), ALL),
    "forward huber": (Forward(norm="huber", delta=0.5), ("plane", "padded"), ALL),
    "forward l1": (Forward(norm="l1"), ("plane", "padded"), ALL),
    "forward latent": (Forward(space="latent"), (*GRIDS, *POINTS, "forced"), {"encoder", "approximator"}),
    "inverse_encoding": (InverseEncoding(), (*GRIDS, *POINTS, "darcy", "forced"), {"encoder", "decoder"}),
    "inverse_decoding": (InverseDecoding(), (*GRIDS, *POINTS, "darcy", "forced"), {"encoder", "decoder"}),
    "inverse_decoding mixed": (InverseDecoding(reads="mixed"), (*GRIDS, *POINTS, "forced"), {"encoder", "decoder"}),
    "inverse_decoding coarse": (InverseDecoding(reads="coarse"), ("line", "plane", "forced"), {"encoder", "decoder"}),
    "inverse_decoding predicted": (
        InverseDecoding(of="predicted"),
        (*GRIDS, *POINTS, "forced", "forced_points"),
        ALL,
    ),
    "rollout": (Rollout(steps=3, discount=0.5), (*GRIDS, *POINTS, "forced"), ALL),
    "spectral": (Spectral(sobolev=1.0), (*GRIDS, "darcy", "forced"), ALL),
    "relative_lp": (RelativeLp(), (*GRIDS, *POINTS, "darcy"), ALL),
    "conservation": (Conservation(), (*GRIDS, *POINTS, "forced"), ALL),
    "boundary": (Boundary(), ("plane", "box", *POINTS, "darcy", "forced"), ALL),
    "positivity": (Positivity(["rho"]), ("plane", *POINTS), ALL),
    "divergence": (Divergence("velocity"), ("plane", *POINTS), ALL),
    "divergence grid": (Divergence("velocity", method="grid"), ("plane",), ALL),
    "latent_norm": (LatentNorm(), (*GRIDS, *POINTS), {"encoder"}),
    "latent_norm predicted": (LatentNorm(of="predicted"), (*GRIDS, *POINTS), {"encoder", "approximator"}),
    "latent_diversity": (LatentDiversity(), (*GRIDS, *POINTS), {"encoder"}),
}
PAIRS = [pytest.param(*CASES[case], name, id=f"{case}, {name}") for case in CASES for name in CASES[case][1]]


def test_every_registered_term_is_tried_here():
    names = installed().names("loss")
    built_in = {name for name in names if str(installed().find("loss", name).target).startswith("upt_losses.")}
    assert built_in == {case.split()[0] for case in CASES}


@pytest.mark.parametrize(("term", "_worlds", "parts", "name"), PAIRS)
def test_a_term_is_a_finite_float32_scalar_that_reaches_its_parts(world, term: LossTerm, _worlds, parts, name):
    small = world(name)
    term.check_data(small.data)
    term.check_parts(type(small.model.encoder), None)
    value = term(small.step())
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert value > 0
    small.model.zero_grad()
    reached = {
        part
        for part, module in small.model.named_children()
        for gradient in torch.autograd.grad(value, list(module.parameters()), retain_graph=True, allow_unused=True)
        if gradient is not None and gradient.any()
    }
    assert reached == parts


@pytest.mark.parametrize(("term", "_worlds", "parts", "name"), PAIRS)
def test_a_term_under_autocast_is_a_finite_float32_scalar(world, term: LossTerm, _worlds, parts, name):
    small = world(name)
    with torch.autocast("cpu", torch.bfloat16):
        value = term(small.step())
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)


@pytest.mark.parametrize(("term", "_worlds", "parts", "name"), PAIRS)
def test_gradients_agree_with_finite_differences(world, term: LossTerm, _worlds, parts, name):
    small = world(name)
    if name in ("box", "line"):
        pytest.skip("the other worlds have every ingredient of these")
    if isinstance(term, InverseDecoding | Forward) and getattr(term, "detach", False) and parts != ALL:
        pytest.skip("a detached target is not differentiated, by intention")
    if isinstance(term, InverseDecoding):
        term = InverseDecoding(term.of, detach=False)
    double(small)
    parameters = [p for p in small.model.parameters() if p.requires_grad]
    directions = [torch.randn_like(p) for p in parameters]
    value = term(small.step())
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    slope = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True) if g is not None)
    ahead, behind = (shifted(term, small, parameters, directions, sign * 1e-5) for sign in (1, -1))
    torch.testing.assert_close(slope.item(), (ahead - behind) / 2e-5, rtol=2e-4, atol=1e-7)


def double(small) -> None:
    """Turns a world to float64."""
    small.model.double()
    small.normalization.double()
    small.batch = small.batch._mapped(lambda value: value.double())


def shifted(term, small, parameters, directions, amount: float) -> float:
    with torch.no_grad():
        for p, d in zip(parameters, directions, strict=True):
            p.add_(d, alpha=amount)
        value = term(small.step()).item()
        for p, d in zip(parameters, directions, strict=True):
            p.add_(d, alpha=-amount)
    return value


@pytest.mark.parametrize(
    "term",
    [Forward(), InverseEncoding(), Rollout(2), RelativeLp(), Positivity(["rho"]), Divergence("velocity"), Boundary()],
    ids=lambda term: type(term).__name__,
)
def test_a_budget_of_all_points_is_the_dense_loss_bit_for_bit(world, uniform, term):
    for name in ("plane", "padded"):
        small = world(name)
        assert torch.equal(term(small.step(uniform(10_000))), term(small.step()))


def later(batch: Batch, data: DataSpec) -> torch.Tensor:
    """The input fields at each target step, at the points of the batch."""
    frames, input_BNC = [], batch.input_BNC
    for time in range(batch.target_BTNC.shape[1]):
        input_BNC = data.next_input(input_BNC, batch.target_BTNC[:, time])
        frames.append(input_BNC)
    return torch.stack(frames, dim=1)


def same_points_told_twice(small) -> Batch:
    batch, data = small.batch, small.data
    copied = batch.points.mapped(torch.clone)
    return replace(batch, own_input_points=copied, later_BTNC=None if data.steady else later(batch, data))


@pytest.mark.parametrize(("term", "_worlds", "_parts", "name"), PAIRS)
def test_where_both_are_at_the_same_points_the_value_is_that_of_one_point_set(world, term, _worlds, _parts, name):
    small = world(name)
    before = term(small.step())
    small.batch = same_points_told_twice(small)
    torch.testing.assert_close(term(small.step()), before, rtol=1e-6, atol=0)
