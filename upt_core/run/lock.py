"""One process writes into a run folder: others that want to are told who does."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from upt_core.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has no such locks; there the last resume wins, as before
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a run folder and holds it for the time of a block; the lock goes with the process, however that ends.

    Raises:
        UserError: another process holds it, or no file can be made in the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(
            f"{folder}: nothing can be written there ({error.strerror}); make the run folder writable, or name another "
            f"with --run-dir"
        ) from error
    try:
        _take(descriptor, folder)
        yield
    finally:
        os.close(descriptor)  # the file stays: were it removed, one process could lock it, and another a new one


def _take(descriptor: int, folder: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
        raise UserError(
            f"{folder}: this run is being trained by {holder}; wait until it ends, or end it; then resume"
        ) from error
    except OSError:
        return  # some network file systems have no locks
    with suppress(OSError):  # a full disk: the lock holds without a name
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode())
