"""Tokens on a lattice: who needs one says so, and neighbours are those in space."""

from __future__ import annotations

import re

import pytest
import torch

from upt_core import LatentSpec
from upt_models.basis_decoder import BasisDecoder
from upt_models.convolution import Convolution
from upt_models.lattice import NeighbourMixing, padded
from upt_models.lattice_approximator import per_axis
from upt_models.patches_encoder import PatchesEncoder
from upt_models.spectral import Spectral

PARTS = [PatchesEncoder, Spectral, Convolution, BasisDecoder]


@pytest.mark.parametrize("part", PARTS)
def test_tokens_without_a_place_are_refused_with_what_to_write(part, make_spec):
    message = (
        r"needs latent tokens that keep their place, but latent.tokens is 16; .*latent: \{tokens: \[4, 4\], dim: 8\}"
    )
    with pytest.raises(ValueError, match=message):
        part(make_spec((8, 8)), LatentSpec(16, 8))


@pytest.mark.parametrize("part", PARTS)
def test_a_lattice_with_other_axes_is_refused(part, make_spec):
    with pytest.raises(ValueError, match=r"on a lattice of \[16\], with 1 axes, but the data have 2"):
        part(make_spec((8, 8)), LatentSpec.on_lattice((16,), 8))


def test_a_lattice_and_a_number_of_tokens_must_agree():
    with pytest.raises(ValueError, match=re.escape("a lattice of [4, 4] has 16 tokens, not 12")):
        LatentSpec(12, 8, (4, 4))


def test_an_axis_wraps_around_or_continues_its_last_value():
    value = torch.tensor([[1.0, 2.0, 3.0]])
    assert padded(value, 1, 2, True).tolist() == [[2, 3, 1, 2, 3, 1, 2]]
    assert padded(value, 1, 2, False).tolist() == [[1, 1, 1, 2, 3, 3, 3]]


@pytest.mark.parametrize("periodic", [(True,), (True, True), (True, True, True)])
def test_mixing_with_neighbours_commutes_with_shifts_on_periodic_axes(periodic):
    mixing = NeighbourMixing(3, 4, periodic)
    x_BVD = torch.randn(2, *(4, 5, 6)[: len(periodic)], 3)
    axes = tuple(range(1, len(periodic) + 1))
    torch.testing.assert_close(mixing(x_BVD.roll((1,) * len(axes), axes)), mixing(x_BVD).roll((1,) * len(axes), axes))


@pytest.mark.parametrize("periodic", [(True, False), (True, False, False)])
def test_a_token_hears_its_neighbours_and_no_others(periodic):
    shape = (5, 6, 7)[: len(periodic)]
    mixing = NeighbourMixing(1, 1, periodic)
    x_BVD = torch.randn(1, *shape, 1, requires_grad=True)
    mixing(x_BVD)[(0, *(0,) * len(shape), 0)].backward()
    heard = {tuple(place[1:-1]) for place in x_BVD.grad.nonzero().tolist()}
    near = [(4, 0, 1), *[(0, 1)] * (len(shape) - 1)]  # the first axis wraps around
    assert heard == {tuple(place) for place in torch.cartesian_prod(*[torch.tensor(axis) for axis in near]).tolist()}


def test_one_number_stands_for_all_axes():
    assert per_axis("modes", 4, 3) == (4, 4, 4)
    assert per_axis("modes", [4, 2], 2) == (4, 2)
    with pytest.raises(ValueError, match=re.escape("modes [4, 2] needs one number for all axes, or one for each of 3")):
        per_axis("modes", [4, 2], 3)
