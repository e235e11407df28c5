"""Objects with tensors go between processes as one block, and come out the same."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
import torch
from torch import Tensor

from upt_core import Batch, DataSpec, FieldSpec, InMemory, Points, Trajectory
from upt_core.data.loader import Batches
from upt_core.data.normalize import Normalization
from upt_core.data.packed import SMALL, pack, unpack
from upt_core.data.windows import Windows


@dataclass
class Held:
    tensors: dict[str, Tensor]
    others: list[Any]


def held() -> Held:
    base = torch.arange(60.0).view(3, 20)
    tensors = {
        "plain": base,
        "rows": base[:2],
        "turned": base.T,
        "expanded": torch.arange(4.0)[None, :, None].expand(5, -1, 2),
        "part of a large one": torch.arange(1000)[10:20:3],
        "half": torch.ones(3, dtype=torch.bfloat16),
        "truth": torch.tensor([True, False, True]),
        "complex": torch.complex(torch.ones(2), torch.zeros(2)),
        "wide": torch.full((2, 2), 1e300, dtype=torch.float64),
        "empty": torch.empty(0, 3),
        "number": torch.tensor(7),
        "conjugate": torch.complex(torch.ones(2), torch.ones(2)).conj(),
        "weights": torch.ones(2, requires_grad=True),
    }
    return Held(tensors, ["text", None, (1, 2.5)])


@pytest.mark.parametrize("small", [0, SMALL])
def test_what_is_unpacked_is_the_same(small: int) -> None:
    before = held()
    after = unpack(pack(before, small))
    assert after.others == before.others
    assert after.tensors.keys() == before.tensors.keys()
    for name, value in before.tensors.items():
        found = after.tensors[name]
        assert (found.dtype, found.shape, found.requires_grad) == (value.dtype, value.shape, value.requires_grad), name
        assert torch.equal(found, value), name
    assert after.tensors["expanded"].stride() == (0, 1, 0)
    assert after.tensors["turned"].stride() == before.tensors["turned"].stride()
    after.tensors["plain"][1] = 0  # it can be written, and what shared its memory still does
    assert after.tensors["rows"][1].sum() == 0


def test_a_part_does_not_take_the_whole_with_it() -> None:
    whole = torch.zeros(10**6)
    assert len(pack(whole[:10])[1]) < 1000


@pytest.mark.parametrize("small", [0, SMALL])
def test_between_processes(small: int) -> None:
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(target=_sends, args=(there, small))
    other.start()
    found = unpack(ForkingPickler.loads(here.recv_bytes()))
    assert torch.equal(found.tensors["plain"], held().tensors["plain"])
    here.send(None)
    other.join()
    assert other.exitcode == 0


def _sends(there: Connection, small: int) -> None:
    there.send_bytes(ForkingPickler.dumps(pack(held(), small)))
    there.recv()  # it lives until the memory was taken


DATA = DataSpec((FieldSpec("u"),), (FieldSpec("u"),), extent=(1.0,), periodic=(False,), condition=("c",), origin=(0.0,))


def scattered() -> Batches:
    """Batches of trajectories with points of their own, which are padded."""
    rng = torch.Generator().manual_seed(0)
    wholes = [
        Trajectory(
            {"u": torch.randn(4, num, 1, generator=rng)},
            torch.rand(num, 1, generator=rng).double(),
            torch.arange(4.0),
            {"c": float(num)},
            point_set=place,
            measure_N=torch.rand(num, generator=rng).double(),
        )
        for place, num in enumerate([5, 7, 6, 9])
    ]
    return Batches(Windows(InMemory(wholes), DATA, 1), Normalization.identity(DATA), 3, seed=0)


def test_batches_that_were_read_ahead() -> None:
    alone, ahead = (list(scattered().iterate(0, 8, workers)) for workers in (0, 2))
    for one, other in zip(alone, ahead, strict=True):
        _assert_same(one, other)


def _assert_same(one: Batch | Points, other: Batch | Points) -> None:
    for field in fields(one):
        value, found = getattr(one, field.name), getattr(other, field.name)
        if isinstance(value, Points):
            _assert_same(value, found)
        elif isinstance(value, Tensor):
            assert torch.equal(value, found)
            assert value.stride() == found.stride()
        else:
            assert type(value) is type(found)
