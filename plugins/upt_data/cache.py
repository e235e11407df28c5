"""Generated data on disk: made on first use, kept under a hash of everything that it depends on."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from upt_core import UserError, cache_dir

Arrays = dict[str, npt.NDArray[np.generic]]


def cached_arrays(name: str, parameters: Mapping[str, object], version: int, make: Callable[[], Arrays]) -> Arrays:
    """The arrays that ``make`` returns, from the cache where they are there and whole.

    The file is written beside its place and moved there in one step, so that processes that start together never see
    half a file. A damaged file (the archive holds checksums) is made again. Where nothing can be kept, a
    warning says so.

    Args:
        name: the data set's name; a folder of the cache.
        parameters: everything that the arrays depend on; plain values.
        version: number of the generator; raised whenever its arrays change.
        make: computes the arrays.
    """
    text = json.dumps({"parameters": dict(parameters), "version": version}, sort_keys=True)
    file = f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"
    try:
        path = cache_dir(name) / file
    except UserError as error:
        _tell(str(error))
        return make()
    arrays = _load(path)
    if arrays is None:
        arrays = make()
        _save(path, arrays)
    return arrays


def _tell(reason: str) -> None:
    warnings.warn(
        f"the generated data could not be saved ({reason}); the next run will compute them again", stacklevel=4
    )


def _load(path: Path) -> Arrays | None:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception:  # what numpy raises depends on the bytes that are damaged; the arrays are computed anew
        return None


def _save(path: Path, arrays: Arrays) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # not mkstemp: others may read a common cache
    try:
        with temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        os.replace(temporary, path)
    except OSError as error:
        _remove(temporary)
        _tell(f"{path.parent}: {error.strerror or error}")
    except BaseException:
        _remove(temporary)
        raise


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
