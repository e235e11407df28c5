"""Numpy archives of trajectories, or of input and solution pairs, on a regular grid."""

from __future__ import annotations

from pathlib import Path

from upt_data.arrays.dataset import GridArrays
from upt_data.arrays.npz import open_npy_folder, open_npz
from upt_data.arrays.source import ArraySource
from upt_data.files.paths import Place


class Npz(GridArrays):
    """Reads .npz archives of fields (trajectories, times, *grid) or (trajectories, times, *grid, channels).

    A folder of .npy files (``u.npy``, ``x.npy``, ``t.npy``) is read like one archive: its arrays have the files' names.
    Large arrays are read step by step if they are not compressed.
    """

    suffixes = (".npz",)

    def _is_one(self, path: Path) -> bool:
        return path.is_file() or (path.is_dir() and any(path.glob("*.npy")))

    def _files_of(self, place: Place) -> list[Path]:
        return sorted(place.path.glob("*.npy")) if place.path.is_dir() else [place.path]

    @staticmethod
    def opener(path: Path) -> ArraySource:
        """Opens an archive, or a folder of arrays."""
        return open_npy_folder(path) if path.is_dir() else open_npz(path)
