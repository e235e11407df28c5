"""Anchors: in the box, evenly spread, and attention that starts local because of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

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


def test_the_encoder_starts_local(make_spec: Callable[..., DataSpec], make_grid: Callable[..., Points]) -> None:
    """A change in a patch moves the tokens near it more than those far from it."""
    encoder = GridEncoder(make_spec((64,), (True,)), LatentSpec(tokens=16, dim=64), depth=0)
    x, points = torch.zeros(16, 64, 2), make_grid((64,), 16, (True,))
    changed = x.clone()
    for row in range(16):  # row r changes patch r, which lies at anchor r
        changed[row, 4 * row : 4 * row + 4] = 1
    moved_LL = (encoder(changed, points) - encoder(x, points)).norm(dim=-1)
    assert near(moved_LL) > 2 * far(moved_LL)


def test_the_decoder_starts_local(make_spec: Callable[..., DataSpec]) -> None:
    """A change of a token moves the answers near its anchor more than those far from it."""
    decoder = PerceiverDecoder(make_spec((64,), (True,)), LatentSpec(tokens=16, dim=64))
    z = torch.randn(1, 16, 64).expand(16, -1, -1)
    changed = z + torch.eye(16).unsqueeze(-1) * torch.randn(16, 1, 64)  # row r changes token r
    coords = anchor_positions(16, 1).expand(16, -1, -1)
    moved_LL = (decoder(changed, coords) - decoder(z, coords)).norm(dim=-1)
    assert near(moved_LL) > 1.5 * far(moved_LL)


def near(moved_LL: Tensor) -> Tensor:
    """Mean effect of the r-th change at the r-th anchor and next to it."""
    return torch.stack([moved_LL.roll(shift, dims=1).diagonal() for shift in (-1, 0, 1)]).mean()


def far(moved_LL: Tensor) -> Tensor:
    """Mean effect of the r-th change half the box away."""
    return torch.stack([moved_LL.roll(shift, dims=1).diagonal() for shift in (7, 8, 9)]).mean()
