"""Latent transformer: shapes, near identity at first, conditions, places on a lattice, independence, messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn.functional import layer_norm

from upt_core import DataSpec, LatentSpec
from upt_core.testing import check_approximator
from upt_models.transformer import Transformer

Make = Callable[..., DataSpec]


@pytest.mark.parametrize("width", [None, 24])
@pytest.mark.parametrize("residual", [True, False])
def test_shapes(make_spec: Make, latent: LatentSpec, width: int | None, residual: bool) -> None:
    part = Transformer(make_spec(), latent, width=width, residual=residual)
    assert part(torch.randn(2, 6, 16), torch.randn(2, 1)).shape == (2, 6, 16)


def test_residual_starts_near_the_identity(make_spec: Make, latent: LatentSpec) -> None:
    z, condition = layer_norm(torch.randn(2, 6, 16), (16,)), torch.randn(2, 1)
    change = Transformer(make_spec(), latent)(z, condition) - z
    assert 0 < change.std() < 0.3 * z.std()
    change = Transformer(make_spec(), latent, residual=False)(z, condition) - z
    assert change.std() > 0.3 * z.std()


def test_long_rollouts_stay_bounded(make_spec: Make, latent: LatentSpec) -> None:
    part, z = Transformer(make_spec(condition=()), latent), torch.randn(2, 6, 16)
    for _ in range(100):
        z = part(z, None)
    assert z.square().mean() < 1.01


def test_condition_starts_without_effect_and_then_acts(make_spec: Make, latent: LatentSpec) -> None:
    part = Transformer(make_spec(condition=("time_step", "viscosity")), latent)
    z = torch.randn(2, 6, 16)
    torch.testing.assert_close(part(z, torch.zeros(2, 2)), part(z, torch.ones(2, 2)))
    optimizer = torch.optim.SGD(part.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (part(z, torch.randn(2, 2)) - torch.randn(2, 6, 16)).square().sum().backward()
        optimizer.step()
    assert not torch.allclose(part(z, torch.zeros(2, 2)), part(z, torch.ones(2, 2)), atol=1e-4)


def test_without_condition_none_is_used(make_spec: Make, latent: LatentSpec) -> None:
    z = torch.randn(2, 6, 16)
    for part in (Transformer(make_spec(), latent, condition=False), Transformer(make_spec(condition=()), latent)):
        assert torch.equal(part(z, None), part(z, torch.randn(2, 1)))


def test_rows_do_not_influence_each_other(make_spec: Make, latent: LatentSpec) -> None:
    part, z, condition = Transformer(make_spec(), latent), torch.randn(3, 6, 16), torch.randn(3, 1)
    torch.testing.assert_close(part(z, condition)[1:2], part(z[1:2], condition[1:2]))


def test_messages(make_spec: Make, latent: LatentSpec) -> None:
    part = Transformer(make_spec(condition=("time_step", "viscosity")), latent)
    expected = "built for the conditioning values time_step, viscosity, but was given {}; .* condition=False"
    with pytest.raises(ValueError, match=expected.format(0)):
        part(torch.randn(2, 6, 16), None)
    with pytest.raises(ValueError, match=expected.format(1)):
        part(torch.randn(2, 6, 16), torch.randn(2, 1))
    with pytest.raises(ValueError, match="depth must be greater than 0; got 0"):
        Transformer(make_spec(), latent, depth=0)
    with pytest.raises(ValueError, match="mlp_ratio must be greater than 0.0; got 0"):
        Transformer(make_spec(), latent, mlp_ratio=0)
    with pytest.raises(ValueError, match="width 16 cannot be shared by 3 attention heads"):
        Transformer(make_spec(), latent, heads=3)


def on_lattice(make_spec: Make, periodic: bool = True, dim: int = 16, **settings: Any) -> Transformer:
    data = make_spec(periodic=(periodic, periodic), grid_shape=(16, 8), condition=())
    return Transformer(data, LatentSpec.on_lattice((8, 4), dim), **settings)


def rolled(tokens_BLD: torch.Tensor, shifts: tuple[int, int]) -> torch.Tensor:
    return tokens_BLD.unflatten(1, (8, 4)).roll(shifts, (1, 2)).flatten(1, 2)


def test_on_a_periodic_lattice_a_shifted_state_has_the_shifted_answer(make_spec: Make) -> None:
    part, z = on_lattice(make_spec), torch.randn(2, 32, 16)
    torch.testing.assert_close(part(rolled(z, (3, 1)), None), rolled(part(z, None), (3, 1)), rtol=0, atol=1e-5)
    with_places = on_lattice(make_spec, positions=True)
    with torch.no_grad():
        with_places.positions_LD.mul_(50)  # type: ignore[union-attr]
    assert not torch.allclose(with_places(rolled(z, (3, 1)), None), rolled(with_places(z, None), (3, 1)), atol=1e-3)


@pytest.mark.parametrize("periodic", [True, False])
def test_on_a_lattice_it_matters_where_tokens_are(make_spec: Make, periodic: bool) -> None:
    part, z, order = on_lattice(make_spec, periodic, positions=False), torch.randn(1, 32, 16), torch.randperm(32)
    assert not torch.allclose(part(z[:, order], None), part(z, None)[:, order], atol=1e-4)
    without = Transformer(make_spec(condition=()), LatentSpec(32, 16))
    torch.testing.assert_close(without(z[:, order], None), without(z, None)[:, order], rtol=0, atol=1e-5)


def test_on_a_lattice_tokens_keep_their_size_and_blocks_are_wide(make_spec: Make) -> None:
    part, z = on_lattice(make_spec), 5 * torch.randn(2, 32, 16)
    assert (part(z, None) - z).std() < 0.3 * z.std()
    assert part.embed_latent.out_features == 64
    assert on_lattice(make_spec, dim=96).embed_latent(torch.zeros(1, 32, 96)).shape[-1] == 96
    assert on_lattice(make_spec).positions_LD is None
    assert on_lattice(make_spec, periodic=False).positions_LD is not None


def test_messages_of_places(make_spec: Make, latent: LatentSpec) -> None:
    with pytest.raises(ValueError, match="heads of width 2 cannot hold positions along 2 axes; use fewer heads or a"):
        on_lattice(make_spec, width=16, heads=8)
    with pytest.raises(ValueError, match="positions: true, but latent.tokens is 6, so tokens have no place; write"):
        Transformer(make_spec(), latent, positions=True)
    with pytest.raises(ValueError, match=r"lattice of \[8\], with 1 axes, but the data have 2; write the tokens of"):
        Transformer(make_spec(), LatentSpec.on_lattice((8,), 16))


def test_the_kit_passes_on_a_lattice() -> None:
    check_approximator(partial(Transformer, depth=1), on_lattice=True)
