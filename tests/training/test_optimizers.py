from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from upt_optimizers.adamw import AdamW
from upt_optimizers.muon import Muon
from upt_optimizers.sgd import Sgd

ALL = [AdamW, Muon, Sgd]


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
    assert isinstance(muon, torch.optim.Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    assert {id(p) for p in hidden.values()} == set(held([muon]))
    group = muon.param_groups[0]
    assert (group["lr"], group["weight_decay"], group["adjust_lr_fn"]) == (2e-3, 0.05, "match_rms_adamw")
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
    assert [type(each) for each in Muon().build(net)] == [torch.optim.Muon]


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


@pytest.mark.parametrize("optimizer", ALL)
def test_wrong_rates_are_refused(optimizer):
    with pytest.raises(ValueError, match=r"lr is 0; the learning rate must be positive, for example 1e-3"):
        optimizer(lr=0)
    with pytest.raises(ValueError, match=r"weight_decay is -0.1; it must be 0 or more"):
        optimizer(weight_decay=-0.1)


@pytest.mark.parametrize("optimizer", [Muon, Sgd])
def test_wrong_momenta_are_refused(optimizer):
    with pytest.raises(ValueError, match=r"momentum is 1; it must be 0 or more and below 1"):
        optimizer(momentum=1)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match=r"nesterov needs a momentum above 0, for example 0.9"):
        Sgd(momentum=0.0, nesterov=True)
    with pytest.raises(ValueError, match=r"ns_steps is 0; at least 1 iteration is needed, 5 are usual"):
        Muon(ns_steps=0)
