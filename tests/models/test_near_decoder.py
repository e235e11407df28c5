"""Attention to the tokens beside a point: continuous, periodic, local, the same everywhere, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.models.smoothness import check_smooth
from upt_core import DataSpec, LatentSpec
from upt_models.near_decoder import NearDecoder, _attend

LATTICES = {1: (5,), 2: (4, 3), 3: (2, 3, 1)}
Make = Callable[..., DataSpec]


def decoder_of(make_spec: Make, periodic: tuple[bool, ...], depth: int = 1) -> tuple[NearDecoder, Tensor]:
    latent = LatentSpec.on_lattice(LATTICES[len(periodic)], 6)
    decoder = NearDecoder(make_spec((12,) * len(periodic), periodic), latent, width=8, heads=2, depth=depth)
    return decoder, torch.randn(2, latent.tokens, 6)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("periodic", [(True,), (False,), (True, False), (False, False, True)])
def test_value_and_slope_are_continuous_across_the_whole_domain(
    periodic: tuple[bool, ...], depth: int, make_spec: Make
) -> None:
    decoder, latent_BLD = decoder_of(make_spec, periodic, depth)
    check_smooth(decoder, latent_BLD, len(periodic), bend=0.05)


def test_it_is_periodic_where_the_data_are(make_spec: Make) -> None:
    decoder, latent_BLD = decoder_of(make_spec, (True, False))
    coords_BQX = torch.rand(2, 30, 2)
    moved_BQX = coords_BQX + torch.tensor([1.0, 0.0])
    torch.testing.assert_close(decoder(latent_BLD, coords_BQX), decoder(latent_BLD, moved_BQX), atol=1e-4, rtol=1e-3)


def test_shifted_tokens_decode_to_the_shifted_field(make_spec: Make) -> None:
    decoder, latent_BLD = decoder_of(make_spec, (True,))
    coords_BQX = torch.rand(2, 30, 1)
    shifted = decoder(latent_BLD.roll(2, 1), coords_BQX + 2 / 5)
    torch.testing.assert_close(shifted, decoder(latent_BLD, coords_BQX), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_query_reads_only_the_tokens_beside_it(make_spec: Make, depth: int) -> None:
    decoder, latent_BLD = decoder_of(make_spec, (True,), depth)
    latent_BLD.requires_grad_()
    decoder(latent_BLD, torch.full((2, 1, 1), 0.02)).sum().backward()  # tokens at 0.1, 0.3, …; 0.02 lies before 0.1
    assert latent_BLD.grad is not None
    assert latent_BLD.grad.abs().sum(dim=(0, 2)).nonzero().flatten().tolist() == [0, 4]


def test_attention_is_a_weighted_softmax() -> None:
    query, key, value = torch.randn(2, 3, 1, 2, 4), torch.randn(2, 3, 4, 2, 4), torch.randn(2, 3, 4, 2, 4)
    weight = torch.rand(2, 3, 4)
    found = _attend(query, key, value, weight)
    q, k = (x / x.square().mean(dim=-1, keepdim=True).sqrt() for x in (query, key))
    logits = torch.einsum("bqshd,bqkhd->bqkh", q, k) / 2 + weight.log().unsqueeze(-1)
    torch.testing.assert_close(found, (logits.softmax(dim=2).unsqueeze(-1) * value).sum(dim=2), atol=1e-5, rtol=1e-4)


def test_gradients_are_finite_at_tokens_and_half_way(make_spec: Make) -> None:
    """There some weights are exactly 0."""
    decoder, latent_BLD = decoder_of(make_spec, (True, False))
    coords_BQX = torch.tensor([[1 / 8, 1 / 6], [1 / 4, 1 / 3], [0.0, 1.0]]).expand(2, -1, -1).clone().requires_grad_()
    decoder(latent_BLD, coords_BQX).square().sum().backward()
    assert coords_BQX.grad is not None
    assert coords_BQX.grad.isfinite().all()


def test_points_and_rows_are_independent(make_spec: Make) -> None:
    decoder, latent_BLD = decoder_of(make_spec, (True, False))
    coords_BQX = torch.rand(2, 30, 2)
    whole = decoder(latent_BLD, coords_BQX)
    torch.testing.assert_close(decoder(latent_BLD[1:], coords_BQX[1:, 4:9]), whole[1:, 4:9])
    shared = coords_BQX[:1].expand(2, -1, -1)
    torch.testing.assert_close(decoder(latent_BLD, shared), decoder(latent_BLD, shared.contiguous()))


def test_messages(make_spec: Make, latent: LatentSpec) -> None:
    decoder, latent_BLD = decoder_of(make_spec, (True, False))
    with pytest.raises(ValueError, match="decoder 'near' was built for points with 2 axes, but was given points with"):
        decoder(latent_BLD, torch.rand(2, 7, 3))
    with pytest.raises(ValueError, match="decoder 'near' needs latent tokens that keep their place"):
        NearDecoder(make_spec(), latent)
    with pytest.raises(ValueError, match="width 32 cannot be shared by 5 attention heads"):
        NearDecoder(make_spec((8, 8)), LatentSpec.on_lattice((4, 4), 6), heads=5)
