"""Reads arrays from numpy archives (.npz), without running code that they might hold."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from upt_core import DataError
from upt_data.checks import existing

Arrays = dict[str, npt.NDArray[np.generic]]


def load_arrays(path: Path, names: Iterable[str], optional: Iterable[str] = ()) -> Arrays:
    """The named arrays of an archive; of the optional ones, those that are there.

    Raises:
        DataError: there is no such file, it is damaged, or a name is missing; the message lists what is there.
    """
    path = existing(path)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            found = set(archive.files)
            missing = sorted(set(names) - found)
            if not missing:
                return {name: archive[name] for name in (*names, *(name for name in optional if name in found))}
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(
            f"{path}: not a whole .npz archive of plain arrays ({path.stat().st_size} bytes; {error}); it is truncated "
            f"or of another format; write it with numpy.savez"
        ) from error
    raise DataError(
        f"{path}: there is no array called {' or '.join(map(repr, missing))}; found: "
        f"{', '.join(sorted(found)) or 'none'}; name the right ones in the data set's settings"
    )


def scalars(array: npt.NDArray[np.generic], num: int, where: str) -> npt.NDArray[np.float64]:
    """One finite number for each trajectory.

    Raises:
        DataError: the array has another shape, or holds NaN.
    """
    if array.shape != (num,):
        raise DataError(f"{where} has shape {array.shape}; a condition needs one number for each trajectory, ({num},)")
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"{where}, trajectory {int(np.argmin(np.isfinite(values)))}: the value is NaN or infinite")
    return values
