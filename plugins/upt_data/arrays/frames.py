"""A folder of frames, one array or image file for each time step, as one array that is read frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from upt_core import DataError
from upt_data.arrays.source import ArraySource, Index
from upt_data.files.content import Values
from upt_data.files.paths import natural
from upt_data.foreign import reading

REAL = "fiub"
"""Kinds of numpy's types whose values are real numbers."""
ARRAYS, IMAGES = (".npy",), (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def frames_of(folder: Path) -> list[Path]:
    """The frames of a folder in natural order; none where it holds no arrays and no images, or both."""
    files = [item for item in folder.iterdir() if item.is_file()] if folder.is_dir() else []
    kinds = [[item for item in files if item.suffix.lower() in suffixes] for suffixes in (ARRAYS, IMAGES)]
    found = [kind for kind in kinds if kind]
    return sorted(found[0], key=natural) if len(found) == 1 else []


def open_frames(folder: Path) -> FramesSource:
    """The frames of a folder.

    Raises:
        DataError: there are none, or the first is damaged.
    """
    frames = frames_of(folder)
    if not frames:
        raise DataError(
            f"{folder}: contains no frames; expected .npy arrays or images of one kind, one for each time step"
        )
    return FramesSource(frames)


class FramesSource(ArraySource):
    """Frames as one array ``frames`` (times, *grid, channels); each file is read when it is indexed."""

    def __init__(self, frames: list[Path]) -> None:
        self._frames = frames
        first = _read(frames[0])
        self._shape, self._dtype = first.shape, first.dtype

    def names(self) -> list[str]:
        """There is one array."""
        return ["frames"]

    def shape(self, name: str) -> tuple[int, ...]:
        """(times, *grid, channels), or without channels for arrays; images always have them."""
        return (len(self._frames), *self._shape)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of the values of the first frame."""
        found: np.dtype[Any] = self._dtype
        return found

    def read(self, name: str, index: Index) -> Values:
        """Frames of some times, and of each the values at the rest of the index."""
        chosen = range(len(self._frames))[index[0]]
        values = [self._frame(number)[index[1:]] for number in ([chosen] if isinstance(chosen, int) else chosen)]
        return np.asarray(values[0]) if isinstance(chosen, int) else np.stack(values)

    def attributes(self, group: str = "") -> Mapping[str, Any]:
        """Frames say nothing of themselves."""
        return {}

    def _frame(self, number: int) -> Values:
        value = _read(self._frames[number])
        if value.shape != self._shape:
            raise DataError(
                f"{self._frames[number]}: has the shape {value.shape}, and the first frame {self._shape}; give all "
                "frames the same shape"
            )
        if value.dtype.kind not in REAL:
            raise DataError(f"{self._frames[number]}: holds {value.dtype}; store real numbers, as in the first frame")
        return value


def _read(path: Path) -> Values:
    """An array, or an image (rows, columns, channels)."""
    with reading(f"{path}: not a complete frame", "write it again, or remove it and all later frames", path):
        if path.suffix.lower() in ARRAYS:
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        with Image.open(path) as image:
            value = np.asarray(image.convert("RGB") if image.mode in ("P", "RGBA", "CMYK") else image)
    return value if value.ndim == 3 else value[..., None]
