"""Windowed attention: exact within windows of any size, on periodic and open axes, shifted and not."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from upt_models.windows import WindowedAttention

LATTICES = [
    ((8,), (True,), (4,)),
    ((7,), (True,), (3,)),
    ((7,), (False,), (3,)),
    ((1, 3), (False, True), (2, 2)),
    ((6, 5), (True, False), (3, 2)),
    ((4, 6, 5), (False, True, True), (2, 8, 3)),
]


def window_of(place: int, tokens: int, size: int, shifted: bool, wraps: bool) -> int:
    """Number of the window of a token along an axis, written out."""
    size = min(size, tokens)
    shift = size // 2 if shifted and size < tokens else 0
    if wraps:
        return (place - shift) % tokens // size
    return (place - shift) // size


def same_window_LL(
    lattice: tuple[int, ...], periodic: tuple[bool, ...], window: tuple[int, ...], shifted: bool
) -> Tensor:
    windows = [
        tuple(map(window_of, place, lattice, window, [shifted] * len(lattice), periodic))
        for place in itertools.product(*map(range, lattice))
    ]
    return torch.tensor([[one == other for other in windows] for one in windows])


def qkv(lattice: tuple[int, ...], batch: int = 2) -> list[Tensor]:
    return [torch.randn(batch, 3, math.prod(lattice), 4) for _ in range(3)]


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("lattice", "periodic", "window"), LATTICES)
def test_it_is_attention_masked_to_the_window(
    lattice: tuple[int, ...], periodic: tuple[bool, ...], window: tuple[int, ...], shifted: bool
) -> None:
    query, key, value = qkv(lattice)
    expected = scaled_dot_product_attention(
        query, key, value, attn_mask=same_window_LL(lattice, periodic, window, shifted)
    )
    torch.testing.assert_close(WindowedAttention(lattice, periodic, window, shifted)(query, key, value, None), expected)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("lattice", "periodic", "window"), LATTICES)
def test_tokens_that_pad_are_not_heard(
    lattice: tuple[int, ...], periodic: tuple[bool, ...], window: tuple[int, ...], shifted: bool
) -> None:
    query, key, value = qkv(lattice)
    mask_BL = torch.rand(2, math.prod(lattice)) < 0.6
    part = WindowedAttention(lattice, periodic, window, shifted)
    allowed = same_window_LL(lattice, periodic, window, shifted) & mask_BL[:, None, None, :]
    expected = scaled_dot_product_attention(query, key, value, attn_mask=allowed)
    real = mask_BL[:, None, :, None].expand_as(query)
    found = part(query, key, value, mask_BL)
    torch.testing.assert_close(found[real], expected[real])
    assert found.isfinite().all()


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("lattice", "periodic", "window"), LATTICES)
def test_windows_are_cut_and_joined_again(
    lattice: tuple[int, ...], periodic: tuple[bool, ...], window: tuple[int, ...], shifted: bool
) -> None:
    part, x_RLC = WindowedAttention(lattice, periodic, window, shifted), torch.randn(2, math.prod(lattice), 3)
    assert torch.equal(part.join(part.cut(x_RLC)), x_RLC)


def test_windows_that_tile_the_lattice_have_no_mask_and_the_state_has_none() -> None:
    assert WindowedAttention((8, 8), (True, True), (4, 4), shifted=True).full_1W1K is None
    assert WindowedAttention((8, 8), (True, False), (4, 4), shifted=True).full_1W1K is not None
    assert not WindowedAttention((7,), (True,), (3,)).state_dict()
