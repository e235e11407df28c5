"""Reads what ``torch.save`` wrote, as tensors and plain data only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from upt_core import DataError
from upt_data.checks import existing


def load_torch(path: Path) -> Any:
    """The content of a file of tensors and plain containers.

    Raises:
        DataError: there is no such file, it is damaged, or it holds Python objects, which could run code.
    """
    path = existing(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged pickle raises depends on its bytes
        if "Unsupported global" in str(error):
            raise DataError(
                f"{path}: holds Python objects beside tensors; save tensors, numbers, lists and dicts only"
            ) from error
        raise DataError(
            f"{path}: not a whole torch file ({path.stat().st_size} bytes; {type(error).__name__}); it is truncated or "
            f"of another format; fetch it again"
        ) from error
