"""Reads what ``torch.save`` wrote, as tensors and plain data only."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from upt_core import DataError
from upt_data.arrays.npz import MAPPED_BYTES
from upt_data.checks import existing
from upt_data.foreign import DAMAGED, why


def load_torch(path: Path) -> Any:
    """The content of a file of tensors and plain containers; tensors of a large file stay in it until they are read.

    Files in torch's format of before 1.6 are read at once.

    Raises:
        DataError: there is no such file, it is damaged, or it holds Python objects, which could run code.
    """
    path = existing(path)
    try:
        mapped = path.stat().st_size >= MAPPED_BYTES and zipfile.is_zipfile(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # what a damaged pickle raises depends on its bytes
        if "Unsupported global" in str(error):
            raise DataError(
                f"{path}: contains Python objects other than tensors; save only tensors, numbers, lists and dicts"
            ) from error
        said = f"({path.stat().st_size} bytes; {why(error)})"
        raise DataError(f"{path}: not a complete torch file {said}; {DAMAGED}") from error
