"""A checkpoint in a folder, of a model that is divided among processes: each has written its parts of the tensors.

``state.pt`` is a file as ``upt_core.operator.file`` writes it. It holds everything but the divided tensors, names
these by keys, and has a digest of each file beside it, which ``torch.distributed.checkpoint`` wrote and reads. Any
number of processes reads a folder, whatever number wrote it.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upt_core.errors import CheckpointError
from upt_core.operator import file, own_parts

STATE = "state.pt"
KEY = "divided tensor"
"""The only key of the mapping that stands in the state for a divided tensor."""
DIGESTS = "files"
_PIECE = 1 << 20
_HARMLESS = {
    "torch.distributed.checkpoint.metadata": (
        *("Metadata", "TensorStorageMetadata", "TensorProperties", "ChunkStorageMetadata", "MetadataIndex"),
        *("StorageMeta", "_MEM_FORMAT_ENCODING"),
    ),
    "torch.distributed.checkpoint.filesystem": ("_StorageInfo",),
    "torch.serialization": ("_get_layout",),
    "torch": ("Size",),
    "pathlib": ("PosixPath", "WindowsPath"),
}
"""What torch's description of a checkpoint is made of."""


def is_one(path: Path) -> bool:
    """Whether a folder is such a checkpoint, or one of parts that each process saved by itself."""
    return (path / STATE).is_file() or own_parts.is_one(path)


def read(path: Path) -> dict[str, Any]:
    """The content of a file, or of a folder with whole tensors, onto the CPU.

    Raises:
        CheckpointError: missing or damaged, or no checkpoint of upt.
    """
    return whole(state_of(path), path) if is_one(path) else file.read(path)


def state_of(folder: Path) -> dict[str, Any]:
    """The state, without the divided tensors; all files beside it are compared with their digests.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    if own_parts.is_one(folder):
        return {**own_parts.state_of(folder), DIGESTS: {}}
    state = file.read(folder / STATE)
    for name, expected in state[DIGESTS].items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path}: this part of the checkpoint is missing; use another copy")
        if digest(path) != expected:
            raise CheckpointError(
                f"{path}: the file is damaged: its content does not match its digest; use another copy"
            )
    return state


def whole(state: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A state with every divided tensor as a whole one, on the CPU."""
    sizes = sizes_of(folder)
    tensors = {key: torch.empty(size, dtype=dtype) for key, (size, dtype) in sizes.items()}
    fill(tensors, folder)
    found: dict[str, Any] = filled(state, tensors)
    return found


def fill(tensors: dict[str, Tensor], folder: Path) -> None:
    """Reads the divided tensors of these keys, or this process's parts of them, in place."""
    if own_parts.is_one(folder):
        own_parts.fill(tensors, folder)
        return
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.state_dict_loader import load

    sizes_of(folder)  # torch reads the description once more, as code: it is looked at first
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        load(tensors, storage_reader=FileSystemReader(folder), no_dist=True)  # without messages


def filled(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """A state in which the tensors stand in their places."""
    if isinstance(value, Mapping):
        if set(value) == {KEY}:
            return tensors[value[KEY]]
        return {key: filled(part, tensors) for key, part in value.items() if key != DIGESTS}
    if isinstance(value, list | tuple):
        return type(value)(filled(part, tensors) for part in value)
    return value


def sizes_of(folder: Path) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """The size and format of each divided tensor.

    Raises:
        CheckpointError: what says so cannot be read, or holds more than that.
    """
    if own_parts.is_one(folder):
        return own_parts.sizes_of(folder)
    path = folder / ".metadata"
    if not path.exists():
        return {}
    try:
        with path.open("rb") as stream:
            entries = _Plain(stream).load().state_dict_metadata
    except Exception as error:  # what a damaged pickle raises depends on its bytes
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    return {key: (entry.size, entry.properties.dtype) for key, entry in entries.items()}


class _Plain(pickle.Unpickler):
    """Reads torch's description of a checkpoint, and refuses whatever could be code."""

    def find_class(self, module: str, name: str) -> Any:
        """Classes of descriptions, and torch's sizes and formats."""
        if (module, name) == ("builtins", "getattr"):  # so Python before 3.11.4 names the members of an enumeration
            return _member
        found_dtype = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if not found_dtype and name not in _HARMLESS.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a checkpoint's description")
        return super().find_class(module, name)


def _member(enumeration: object, name: str) -> Any:
    if not (isinstance(enumeration, type) and issubclass(enumeration, Enum) and name in enumeration.__members__):
        raise pickle.UnpicklingError(f"{name!r} of {enumeration!r} is no part of a checkpoint's description")
    return enumeration[name]


def digest(path: Path) -> str:
    """The digest of a whole file, as hexadecimal digits."""
    found = hashlib.blake2b(digest_size=32)
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            found.update(piece)
    return found.hexdigest()
