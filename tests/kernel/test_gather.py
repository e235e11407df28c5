"""Values at points: every bit, of any type, width and layout; derivatives of every kind; under torch.compile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from upt_core.gather import gather_points

TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64)
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda value: value,
    "shared rows": lambda value: value[:1].expand(3, -1, -1),
    "one row": lambda value: value[:1],
    "time slice": lambda value: torch.stack([value, value.roll(1, 0)], 1)[:, 1],
    "every other b": lambda value: value.repeat_interleave(2, 0)[1::2],
    "points from the second on": lambda value: value[:, 1:],
    "some channels": lambda value: torch.cat([value, value], 2)[..., 1 : 1 + value.shape[2]],
    "channels first": lambda value: value.transpose(1, 2).contiguous().transpose(1, 2),
    "shared channels first": lambda value: value[:1].transpose(1, 2).contiguous().transpose(1, 2).expand(3, -1, -1),
    "overlapping": lambda value: value.flatten(0, 1).unfold(0, 6, 2)[:3].transpose(1, 2),
    "turned": lambda value: value.transpose(0, 1)[:3, :3].transpose(0, 1),
}


def random(dtype: torch.dtype, channels: int, seed: int = 0) -> Tensor:
    """Random bits (3, 10, C), among them NaN of several kinds; a bool is 0 or 1."""
    rng = torch.Generator().manual_seed(seed)
    size = torch.empty(0, dtype=dtype).element_size()
    byte = torch.randint(2 if dtype is torch.bool else 256, (3, 10, channels * size), generator=rng, dtype=torch.uint8)
    return byte.view(dtype)


def one_by_one(value_BNC: Tensor, index_BQ: Tensor) -> Tensor:
    return torch.stack([torch.stack([row[i] for i in index]) for row, index in zip(value_BNC, index_BQ, strict=True)])


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a.view(torch.uint8), b.view(torch.uint8))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_bit_of_any_layout(layout: str, dtype: torch.dtype) -> None:
    for channels in (1, 2, 3, 4, 5, 6, 8, 16, 17):
        value = LAYOUTS[layout](random(dtype, channels))
        index = torch.randint(value.shape[1], (value.shape[0], 7), generator=torch.Generator().manual_seed(1))
        expected = one_by_one(value, index)
        assert same_bits(gather_points(value, index), expected)
        apart = torch.stack([index, index], 2)[..., 0]
        assert same_bits(gather_points(value, apart), expected)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("shared", [False, True])
def test_memory_that_is_not_aligned(channels: int, shared: bool) -> None:
    """Under slices of a numpy array a tensor may begin anywhere; 16 bytes at a time would stop the process there."""
    for start in range(8):
        array = np.random.default_rng(0).random(8 + 3 * 10 * channels, np.float32)[start : start + 30 * channels]
        value = torch.from_numpy(array).view(3, 10, channels)
        value = value[:1].expand(3, -1, -1) if shared else value
        index = torch.tensor([[0, 9], [5, 5], [9, 8]])
        assert same_bits(gather_points(value, index), one_by_one(value, index))


def test_no_points() -> None:
    assert gather_points(torch.rand(3, 10, 2), torch.empty(3, 0, dtype=torch.int64)).shape == (3, 0, 2)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("number", [30, -1])
def test_points_out_of_range_are_refused(channels: int, number: int) -> None:
    with pytest.raises(IndexError, match="index out of range"):
        gather_points(torch.rand(3, 10, channels), torch.tensor([[number], [0], [0]]))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, at the first forward derivative
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("layout", ["contiguous", "shared rows", "one row", "time slice", "some channels"])
def test_derivatives(channels: int, layout: str) -> None:
    """Backwards, forwards, and within the transforms of torch.func: those of plain indexing."""
    value = LAYOUTS[layout](torch.rand(3, 10, channels))
    tangent = torch.rand(value.shape)
    index = torch.tensor([[0, 0], [5, 9], [2, 1]])[: len(value)]
    row = torch.arange(len(value)).unsqueeze(1)

    def taken(value: Tensor) -> Tensor:
        return gather_points(value, index)

    asked = value.detach().requires_grad_()
    ours = torch.autograd.grad(taken(asked).square().sum(), asked)[0]
    assert torch.equal(ours, torch.autograd.grad(asked[row, index].square().sum(), asked)[0])
    primal = value if value.stride(0) else value.contiguous()  # torch gives rows that share memory no tangent
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(primal, tangent)  # type: ignore[no-untyped-call]
        moved = forward_ad.unpack_dual(taken(dual)).tangent  # type: ignore[no-untyped-call]
    assert torch.equal(moved, tangent[row, index])
    assert torch.equal(torch.func.jvp(taken, (primal,), (tangent,))[1], tangent[row, index])
    assert torch.equal(torch.func.vmap(taken)(value.unsqueeze(0))[0], value[row, index])


@pytest.mark.parametrize("layout", ["contiguous", "shared rows", "time slice", "some channels"])
def test_compiles_as_one_graph(layout: str) -> None:
    compiled = torch.compile(gather_points, backend="eager", fullgraph=True)
    index = torch.tensor([[0, 0], [5, 9], [2, 1]])
    for channels in (2, 3):
        value = LAYOUTS[layout](torch.rand(3, 10, channels))
        assert torch.equal(compiled(value, index), gather_points(value, index))
