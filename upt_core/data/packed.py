"""Any object with tensors as one block of memory, in which it goes from process to process.

Between processes each tensor's memory is a file descriptor of its own, which costs about as long as reading a small
batch. Here all tensors of an object are copied into one block, and are views of it on the other side: a small block
goes through the pipe, a large one through shared memory.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import torch
from torch import Tensor

ALIGNED = 64
"""Bytes: tensors begin at multiples of it."""

SMALL = 1 << 20
"""Bytes: up to so many go through the pipe."""

Packed = tuple[bytes, Tensor | bytes]
"""A pickle whose tensors are places in a block, and the block: bytes, or a tensor (uint8) in shared memory."""

_Place = tuple[int, torch.dtype, torch.Size, tuple[int, ...]]


def pack(value: Any, small: int = SMALL) -> Packed:
    """An object as a pickle and a block; tensors that share memory share it there, and keep their strides.

    Args:
        small: bytes; a larger block is in shared memory.
    """
    stream = io.BytesIO()
    packing = _Packing(stream)
    packing.dump(value)
    block = torch.empty(packing.size, dtype=torch.uint8)
    if packing.size > small:
        block.untyped_storage().share_memory_()
    for offset, storage in packing.storages:
        block[offset : offset + storage.nbytes()] = torch.tensor([], dtype=torch.uint8).set_(storage)
    return stream.getvalue(), block if packing.size > small else block.numpy().tobytes()


def unpack(packed: Packed) -> Any:
    """The object that was packed; its tensors are views of the block."""
    pickled, block = packed
    if isinstance(block, bytes):
        block = torch.frombuffer(bytearray(block or b"\0"), dtype=torch.uint8)
    return _Unpacking(io.BytesIO(pickled), block).load()


class _Packing(pickle.Pickler):
    """Pickles an object with tensors of the host left out; their memory is listed."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self.storages: list[tuple[int, torch.UntypedStorage]] = []
        self.size = 0
        self._offsets: dict[int, int] = {}

    def persistent_id(self, value: Any) -> _Place | None:
        """Where a tensor is in the block; None: it is pickled as everything else."""
        if type(value) is not Tensor or value.device.type != "cpu" or value.layout != torch.strided:
            return None
        if value.requires_grad or value.is_quantized or value.is_conj() or value.is_neg():
            return None
        kept = value if value.untyped_storage().nbytes() <= 2 * _bytes(value) else value.contiguous().clone()
        offset = self._offset(kept.untyped_storage()) + kept.storage_offset() * kept.element_size()
        return int(offset), kept.dtype, kept.shape, kept.stride()

    def _offset(self, storage: torch.UntypedStorage) -> int:
        """Where a storage begins in the block; one that was met keeps its place."""
        found = self._offsets.get(storage.data_ptr())
        if found is None:
            found = self._offsets[storage.data_ptr()] = self.size
            self.storages.append((found, storage))  # held, so that no other gets its address
            self.size += -(-storage.nbytes() // ALIGNED) * ALIGNED
        return found


class _Unpacking(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, block: Tensor) -> None:
        super().__init__(stream)
        self._storage = block.untyped_storage()

    def persistent_load(self, place: _Place) -> Tensor:
        """The view of the block that a tensor was."""
        offset, dtype, shape, stride = place
        return torch.empty(0, dtype=dtype).set_(self._storage, offset // dtype.itemsize, shape, stride)


def _bytes(value: Tensor) -> int:
    return value.numel() * value.element_size()
