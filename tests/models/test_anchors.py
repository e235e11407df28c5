"""Anchors: in the box, evenly spread, and attention that starts local because of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from upt_core import DataSpec, LatentSpec, Points
from upt_models.anchors import anchor_positions
from upt_models.grid_encoder import GridEncoder
from upt_models.perceiver_decoder import PerceiverDecoder


def test_one_axis_has_the_middles_of_equal_stretches() -> None:
    assert anchor_positions(4, 1).flatten().tolist() == [0.125, 0.375, 0.625, 0.875]


@pytest.mark.parametrize("tokens", [1, 7, 64])
@pytest.mark.parametrize("axes", [2, 3])
def test_positions_are_in_the_box_and_the_same_each_time(tokens: int, axes: int) -> None:
    positions = anchor_positions(tokens, axes)
    assert positions.shape == (tokens, axes)
    assert (positions >= 0).all()
    assert (positions < 1).all()
    assert torch.equal(positions, anchor_positions(tokens, axes))


def test_positions_are_spread_evenly() -> None:
    cells = (anchor_positions(64, 2) * 4).long()
    counts = torch.bincount(cells[:, 0] * 4 + cells[:, 1], minlength=16)
    assert counts.min() >= 3  # 4 on average; random positions would leave a cell with 1 or none
    assert counts.max() <= 5


def test_encoder_and_decoder_start_local(make_spec: Callable[..., DataSpec], make_grid: Callable[..., Points]) -> None:
    """A change at a point moves the tokens near it most, and a change of a token the answers near it most."""
    latent, data = LatentSpec(tokens=16, dim=64), make_spec((64,), (True,))
    encoder, decoder, points = GridEncoder(data, latent, depth=0), PerceiverDecoder(data, latent), make_grid((64,), 1)
    anchor, far = anchor_positions(16, 1)[4, 0], anchor_positions(16, 1)[12, 0]
    x = torch.zeros(1, 64, 2)
    changed = x.clone()
    changed[:, int(anchor * 64) // 4 * 4 :][:, :4] = 1
    moved = (encoder(changed, points) - encoder(x, points)).norm(dim=-1)[0]
    assert moved[3:6].mean() > 2 * moved[11:14].mean()
    z = torch.randn(1, 16, 64)
    other = z.clone()
    other[:, 4] = torch.randn(64)
    coords = torch.stack([anchor, far]).view(1, 2, 1)
    answered = (decoder(other, coords) - decoder(z, coords)).norm(dim=-1)[0]
    assert answered[0] > 1.5 * answered[1]
