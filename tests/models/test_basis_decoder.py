"""The basis decoder: a partition of unity, smooth, periodic where the data are, linear in the latent."""

from __future__ import annotations

import pytest
import torch

from tests.models.smoothness import check_smooth
from upt_core import LatentSpec
from upt_models.basis_decoder import BasisDecoder
from upt_models.near_tokens import near_tokens

LATTICES = {1: (5,), 2: (4, 3), 3: (2, 3, 1)}


def decoder_of(make_spec, periodic: tuple[bool, ...], functions: int = 5) -> tuple[BasisDecoder, torch.Tensor]:
    lattice = LATTICES[len(periodic)]
    latent = LatentSpec.on_lattice(lattice, 6)
    return BasisDecoder(make_spec((12,) * len(periodic), periodic), latent, functions=functions), torch.randn(
        2, latent.tokens, 6
    )


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("tokens", [1, 2, 5])
def test_weights_are_a_partition_of_unity(wraps, tokens):
    near = near_tokens(torch.linspace(0, 1, 101).unsqueeze(0), tokens, wraps)
    torch.testing.assert_close(near.weight_BQS.sum(-1), torch.ones(1, 101))
    assert near.weight_BQS.min() >= 0
    assert near.index_BQS.min() >= 0
    assert near.index_BQS.max() < tokens


@pytest.mark.parametrize("periodic", [(True,), (False,), (True, False), (False, True, False)])
def test_tokens_that_say_the_same_constant_decode_to_it_everywhere(periodic, make_spec):
    decoder, latent_BLD = decoder_of(make_spec, periodic)
    with torch.no_grad():
        decoder.coefficients.weight.zero_()
        decoder.coefficients.bias.zero_()
        decoder.coefficients.bias.view(3, -1)[:, 0] = torch.tensor([1.0, 2.0, 3.0])
    decoded_BQC = decoder(latent_BLD, torch.rand(2, 50, len(periodic)))
    torch.testing.assert_close(decoded_BQC, torch.tensor([1.0, 2.0, 3.0]).expand(2, 50, 3))


@pytest.mark.parametrize("periodic", [(True,), (False,), (True, False), (False, False, True)])
def test_value_and_slope_are_continuous_across_the_whole_domain(periodic, make_spec):
    decoder, latent_BLD = decoder_of(make_spec, periodic)
    check_smooth(decoder, latent_BLD, len(periodic), bend=0.02)


def test_it_is_periodic_where_the_data_are(make_spec):
    decoder, latent_BLD = decoder_of(make_spec, (True, False))
    coords_BQX = torch.rand(2, 30, 2)
    moved_BQX = coords_BQX + torch.tensor([1.0, 0.0])
    torch.testing.assert_close(decoder(latent_BLD, coords_BQX), decoder(latent_BLD, moved_BQX), atol=1e-4, rtol=1e-3)


def test_it_is_linear_in_the_latent(make_spec):
    decoder, latent_BLD = decoder_of(make_spec, (True, False))
    other_BLD, coords_BQX = torch.randn_like(latent_BLD), torch.rand(2, 30, 2)
    middle = decoder((latent_BLD + other_BLD) / 2, coords_BQX)
    torch.testing.assert_close(middle, (decoder(latent_BLD, coords_BQX) + decoder(other_BLD, coords_BQX)) / 2)


def test_a_query_hears_only_the_tokens_beside_it(make_spec):
    decoder, latent_BLD = decoder_of(make_spec, (True,))
    latent_BLD.requires_grad_()
    decoder(latent_BLD, torch.full((2, 1, 1), 0.02)).sum().backward()  # tokens at 0.1, 0.3, …; 0.02 lies before 0.1
    assert latent_BLD.grad.abs().sum(dim=(0, 2)).nonzero().flatten().tolist() == [0, 4]


@pytest.mark.parametrize("functions", [1, 2, 4, [3, 2]])
def test_any_number_of_functions(functions, make_spec):
    decoder, latent_BLD = decoder_of(make_spec, (True, False), functions)
    assert decoder(latent_BLD, torch.rand(2, 7, 2)).shape == (2, 7, 3)


def test_points_with_other_axes_are_refused(make_spec):
    decoder, latent_BLD = decoder_of(make_spec, (True, False))
    with pytest.raises(
        ValueError, match="decoder 'basis' was built for points with 2 axes, but was given points with 3"
    ):
        decoder(latent_BLD, torch.rand(2, 7, 3))
