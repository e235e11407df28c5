from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from upt_core import LatentSpec
from upt_core.model import Upt
from upt_core.task_bundle import TaskModel
from upt_core.testing.made_up_data import grid
from upt_models.grid_encoder import GridEncoder
from upt_models.perceiver_decoder import PerceiverDecoder
from upt_models.transformer import Transformer
from upt_optimizers.adamw import AdamW
from upt_optimizers.matrices import matrix_shapes
from upt_optimizers.muon import Muon
from upt_optimizers.newton_schulz import OrthogonalMomentum, orthogonal
from upt_optimizers.sgd import Sgd
from upt_optimizers.soap import Soap

ALL = [AdamW, Muon, Sgd, Soap]


class Net(nn.Module):
    """Every sort of parameter that a model has."""

    def __init__(self) -> None:
        super().__init__()
        self.latent_queries_LD = nn.Parameter(torch.randn(3, 8))
        self.embed = nn.Linear(2, 8)
        self.patch = nn.Conv1d(2, 8, 2)
        self.norm = nn.LayerNorm(8)
        self.hidden = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        tokens = self.embed(x) + self.latent_queries_LD.mean(0) + self.patch(x.unsqueeze(-1).expand(-1, -1, 2)).mean(-1)
        return self.head(self.norm(tokens + self.hidden(tokens)))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


def held(optimizers) -> list[int]:
    return [id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]


@pytest.mark.parametrize("optimizer", ALL)
def test_every_trainable_parameter_is_held_once(net, optimizer):
    net.norm.requires_grad_(False)
    found = held(optimizer().build(net))
    assert len(found) == len(set(found))
    assert set(found) == {id(p) for p in net.parameters() if p.requires_grad}


@pytest.mark.parametrize("optimizer", ALL)
def test_it_lowers_a_loss(net, optimizer):
    x = torch.randn(32, 2)
    y = x.prod(dim=1, keepdim=True)
    optimizers = optimizer(lr=0.02).build(net)
    losses = []
    for _ in range(30):
        loss = (net(x) - y).square().mean()
        losses.append(loss.item())
        loss.backward()
        for each in optimizers:
            each.step()
            each.zero_grad()
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("optimizer", ALL)
def test_a_frozen_model_is_refused(net, optimizer):
    net.requires_grad_(False)
    with pytest.raises(ValueError, match=r"the model has no trainable parameter; thaw at least one of its parts"):
        optimizer().build(net)


@pytest.mark.parametrize("optimizer", ALL)
def test_biases_and_norms_do_not_decay_unless_told(net, optimizer):
    for decay_all in (False, True):
        for each in optimizer(weight_decay=0.25, decay_all=decay_all).build(net):
            for group in each.param_groups:
                for p in group["params"]:
                    assert group["weight_decay"] == (0.25 if decay_all or p.dim() > 1 else 0.0)


def test_adamw_has_its_settings(net):
    (optimizer,) = AdamW(lr=3e-4, beta1=0.8, beta2=0.95, eps=1e-6).build(net)
    assert isinstance(optimizer, torch.optim.AdamW)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (3e-4, (0.8, 0.95), 1e-6, 0.01)


def test_sgd_has_its_settings(net):
    (optimizer,) = Sgd(lr=0.1, momentum=0.5, nesterov=True).build(net)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (0.1, 0.5, True, 0.0)


def test_muon_gets_hidden_weights_only(net):
    hidden, rest = Muon().split(net)
    assert set(hidden) == {"hidden.0.weight", "hidden.2.weight"}
    assert set(hidden) | set(rest) == {name for name, _ in net.named_parameters()}
    muon, adamw = Muon(lr=2e-3, weight_decay=0.05).build(net)
    assert isinstance(muon, OrthogonalMomentum)
    assert isinstance(adamw, torch.optim.AdamW)
    assert {id(p) for p in hidden.values()} == set(held([muon]))
    group = muon.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (2e-3, 0.05)
    assert adamw.param_groups[0]["lr"] == 2e-3


def test_names_choose_what_adamw_keeps(net):
    assert set(Muon(adamw_names=["hidden.0.*"]).split(net)[0]) == {"embed.weight", "head.weight", "hidden.2.weight"}
    assert "embed.weight" in Muon(adamw_names=[]).split(net)[0]


def test_a_weight_shared_with_an_embedding_stays_with_adamw(net):
    net.hidden[2] = nn.Linear(8, 8)
    net.embed_again = nn.Linear(8, 8)
    net.hidden[2].weight = net.embed_again.weight
    assert set(Muon().split(net)[0]) == {"hidden.0.weight"}


def test_muon_alone_where_nothing_is_left_for_adamw():
    net = nn.Sequential(nn.Linear(4, 4, bias=False))
    assert [type(each) for each in Muon().build(net)] == [OrthogonalMomentum]


def test_muon_without_a_hidden_weight_is_refused(net):
    net.hidden.requires_grad_(False)
    message = r"muon finds no hidden weight: .* matches adamw_names \(\*embed\*.*\); shorten that list, or use adamw"
    with pytest.raises(ValueError, match=message):
        Muon().build(net)


def test_an_update_of_muon_has_the_size_of_adamws(net):
    """Root mean square near 0.2 · lr, whatever the gradient: that is what "match_rms_adamw" promises."""
    muon, _ = Muon(lr=1.0, weight_decay=0.0).build(net)
    weight = net.hidden[0].weight
    before = weight.detach().clone()
    weight.grad = torch.randn_like(weight) * 1e-4
    muon.step()
    size = (weight.detach() - before).square().mean().sqrt().item()
    assert math.isclose(size, 0.2, rel_tol=0.3)


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
def test_muon_moves_as_torchs_does(shape):
    """Up to the rounding of torch's bfloat16: an eighth-bit mantissa through five iterations, hence 3 %."""
    torch.manual_seed(0)
    one, other = nn.Linear(*shape, bias=False), nn.Linear(*shape, bias=False)
    other.load_state_dict(one.state_dict())
    options = {"lr": 0.01, "weight_decay": 0.1, "momentum": 0.9, "nesterov": True, "ns_steps": 5}
    own = OrthogonalMomentum(matrix_shapes(one), **options)
    torchs = torch.optim.Muon(other.parameters(), **options, adjust_lr_fn="match_rms_adamw")
    before = one.weight.detach().clone()
    for _ in range(5):
        one.weight.grad = torch.randn_like(one.weight)
        other.weight.grad = one.weight.grad.clone()
        own.step()
        torchs.step()
    assert set(own.state[one.weight]) == set(torchs.state[other.weight])
    moved = (one.weight - before).norm()
    assert (one.weight - other.weight).norm() < 0.03 * moved


def test_muon_makes_updates_orthogonal():
    singular = torch.linalg.svdvals(orthogonal(torch.randn(3, 8, 20, dtype=torch.float64), 5, torch.float64))
    assert singular.min() > 0.6
    assert singular.max() < 1.25


@pytest.mark.parametrize("steps", [1, 5, 12])
@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (24, 40), (16, 16)])
def test_muons_long_matrices_take_a_shorter_way_to_the_same(shape, steps):
    """Also where singular values are far apart, or zero."""
    rng = torch.Generator().manual_seed(0)
    value = torch.randn(2, *shape, generator=rng)
    value[0] *= torch.logspace(0, -4, shape[1])
    value[1, : shape[0] // 2] = 0
    exact = _plain_iterations(value.double(), steps)
    assert (orthogonal(value, steps).double() - exact).abs().max() < 2e-4


@pytest.mark.parametrize("size", [1e-5, 1e6])
@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (16, 16)])
def test_muons_direction_does_not_depend_on_the_gradients_size(shape, size):
    value = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    assert (orthogonal(size * value, 5) - orthogonal(value, 5)).abs().max() < 1e-4


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
def test_muons_ways_through_memory_give_the_same(shape, nesterov):
    """Weights that lie in order are moved in place, others by whole tensors, as on other devices."""
    torch.manual_seed(0)
    one = nn.Linear(*shape, bias=False)
    other = nn.Linear(*shape, bias=False)
    other.weight = nn.Parameter(one.weight.detach().T.contiguous().T)  # the same numbers, columns first
    assert not other.weight.is_contiguous()
    own = [OrthogonalMomentum(matrix_shapes(net), 0.01, 0.1, 0.9, nesterov, 5) for net in (one, other)]
    for _ in range(5):
        one.weight.grad = torch.randn_like(one.weight)
        other.weight.grad = one.weight.grad.clone()
        for optimizer in own:
            optimizer.step()
    assert (one.weight - other.weight).abs().max() < 1e-6


def _plain_iterations(value, steps):
    value = value / torch.linalg.matrix_norm(value, keepdim=True)
    if value.shape[-2] > value.shape[-1]:
        return _plain_iterations(value.mT, steps).mT
    for _ in range(steps):
        gram = value @ value.mT
        value = 3.4445 * value - 4.7750 * gram @ value + 2.0315 * gram @ gram @ value
    return value


class Spectral(nn.Module):
    """Weights of modes, as spectral layers have them, beside a convolution."""

    def __init__(self, copies: int = 1) -> None:
        super().__init__()
        self.modes = nn.ParameterList(nn.Parameter(torch.randn(2, 3, 4, 5)) for _ in range(copies))
        self.taps = nn.Conv2d(3, 4, (2, 5))
        self.bias = nn.Parameter(torch.zeros(4))


def test_parameters_are_batches_of_matrices():
    net = Spectral()
    shapes = {name: matrix_shapes(net).get(p) for name, p in net.named_parameters()}
    modes, taps = shapes["modes.0"], shapes["taps.weight"]
    assert (modes.count, modes.rows, modes.columns) == (6, 4, 5)
    assert (taps.count, taps.rows, taps.columns) == (1, 4, 30)
    assert shapes["bias"] is None
    assert set(Muon().split(net)[0]) == {"modes.0"}


@pytest.mark.parametrize("task", ["headwind", "embedded_flow", "tokens"])
def test_names_of_tasks_do_not_choose_an_optimizer(task):
    """A task named headwind once took every weight of its model from Muon, through the pattern *head*."""
    data = grid(1).data
    latent = LatentSpec(4, 8)

    def split(name: str) -> set[str]:
        parts = (GridEncoder(data, latent), Transformer(data, latent, depth=1), PerceiverDecoder(data, latent))
        return {each.replace(name, "TASK") for each in Muon().split(TaskModel({name: Upt(*parts)}))[0]}

    assert split(task) == split("plain")
    assert any("approximator" in name for name in split(task))


def steps(optimizers, gradients) -> None:
    """Moves the first group's parameters along given gradients; None: the parameter has none in this step."""
    parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    for now in gradients:
        for parameter, gradient in zip(parameters, now, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        for optimizer in optimizers:
            optimizer.step()


def test_soap_is_adam_in_the_eigenbasis():
    """Against the algorithm of the paper, written out for one matrix, with a basis that is renewed twice."""
    torch.manual_seed(0)
    net = nn.Linear(5, 4, bias=False).double()
    start = weight = net.weight.detach().clone()
    gradients = [torch.randn_like(weight) for _ in range(8)]
    steps(Soap(lr=0.01, every=3, weight_decay=0.1).build(net), [[g] for g in gradients])
    left, right = gradients[0] @ gradients[0].T, gradients[0].T @ gradients[0]
    u, v = (torch.linalg.eigh(factor)[1].flip(-1) for factor in (left, right))
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    for t, g in enumerate(gradients[1:], start=1):
        mean, square = 0.95 * mean + 0.05 * g, 0.95 * square + 0.05 * (u.T @ g @ v).square()
        adam = (u.T @ mean @ v / (1 - 0.95**t)) / ((square / (1 - 0.95**t)).sqrt() + 1e-8)
        weight = weight * (1 - 0.01 * 0.1) - 0.01 * u @ adam @ v.T
        left, right = 0.95 * left + 0.05 * g @ g.T, 0.95 * right + 0.05 * g.T @ g
        if t % 3 == 0:
            u, v = torch.linalg.qr(left @ u)[0], torch.linalg.qr(right @ v)[0]
    assert not torch.allclose(weight, start, atol=1e-2)
    assert torch.allclose(net.weight, weight, atol=1e-12)


def test_soap_does_not_depend_on_the_axes_of_rows_and_columns():
    """Rotated gradients give rotated steps: what Adam alone does not do."""
    torch.manual_seed(0)
    one, other = nn.Linear(5, 4, bias=False).double(), nn.Linear(5, 4, bias=False).double()
    u, v = (torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))[0] for n in (4, 5))
    with torch.no_grad():
        other.weight.copy_(u @ one.weight @ v)
    gradients = [torch.randn_like(one.weight) for _ in range(12)]
    steps(Soap(every=4).build(one), [[g] for g in gradients])
    steps(Soap(every=4).build(other), [[u @ g @ v] for g in gradients])
    assert torch.allclose(other.weight, u @ one.weight @ v, atol=1e-9)


def test_soap_works_on_matrices_together_as_on_each_alone():
    """Also where a parameter has no gradient in some steps, as with a loss term that is not due."""
    torch.manual_seed(0)
    net = Spectral(copies=3).double()
    before = [p.detach().clone() for p in net.modes]
    shape = net.modes[0].shape
    gradients = [[None if (t + k) % 4 == 1 else torch.randn(shape).double() for k in range(3)] for t in range(12)]
    net.taps.requires_grad_(False)
    net.bias.requires_grad_(False)
    steps(Soap(every=2).build(net), gradients)
    for k, (start, together) in enumerate(zip(before, net.modes, strict=True)):
        alone = nn.ParameterList([start])
        own = [[now[k]] for now in gradients if now[k] is not None]
        steps(Soap(every=2).build(alone), own)
        assert torch.allclose(alone[0], together, atol=1e-12)


@pytest.mark.parametrize("seen", [4, 8, 16, 27, 64])
def test_soap_takes_a_gradient_of_rank_one_with_equal_entries(seen):
    """As the first batch of a constant or sparse input gives it; float32 eigenvectors do not converge for many."""
    rng = torch.Generator().manual_seed(seen)
    for _ in range(10):
        net = nn.Linear(128, 8, bias=False)
        before = net.weight.detach().clone()
        gradient = torch.zeros(8, 128)
        gradient[:, torch.randperm(128, generator=rng)[:seen]] = 0.2548
        steps(Soap().build(net), [[gradient], [gradient]])
        moved = before - net.weight.detach()
        assert torch.isfinite(moved).all()
        assert (moved * gradient).sum() > 0, "downhill"


def test_soap_leaves_long_sides_alone():
    net = nn.Linear(40, 4, bias=False)
    (optimizer,) = Soap(max_size=8).build(net)
    steps([optimizer], [[torch.randn(4, 40)] for _ in range(3)])
    assert {"left_factor", "left_basis"} < set(optimizer.state[net.weight])
    assert "right_factor" not in optimizer.state[net.weight]
    with pytest.raises(ValueError, match=r"every must be at least 1; got 0"):
        Soap(every=0)
    with pytest.raises(ValueError, match=r"max_size must be at least 1; got 0"):
        Soap(max_size=0)


@pytest.mark.parametrize("optimizer", ALL)
def test_wrong_rates_are_refused(optimizer):
    with pytest.raises(ValueError, match=r"lr must be greater than 0.0; got 0"):
        optimizer(lr=0)
    with pytest.raises(ValueError, match=r"weight_decay must be at least 0.0; got -0.1"):
        optimizer(weight_decay=-0.1)


@pytest.mark.parametrize("optimizer", [Muon, Sgd])
def test_wrong_momenta_are_refused(optimizer):
    with pytest.raises(ValueError, match=r"momentum must be less than 1.0; got 1"):
        optimizer(momentum=1)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match=r"nesterov needs a momentum above 0, for example 0.9"):
        Sgd(momentum=0.0, nesterov=True)
    with pytest.raises(ValueError, match=r"ns_steps must be at least 1; got 0"):
        Muon(ns_steps=0)
