"""What was measured of data that are too large to keep in memory, kept in the user's cache for the next run."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import upt_core
from upt_core.data.disk import Files, spread
from upt_core.data.training_data import digests_of
from upt_core.errors import UserError
from upt_core.processes import current
from upt_core.remarks import remark
from upt_core.specs import DataSpec
from upt_core.trajectory import Trajectories, are_held, cache_dir

FORMAT = 1
PROBED = 64
"""The first two time steps of so many trajectories, evenly spaced, tell whether a split is the one measured."""

BROKEN = (OSError, RuntimeError, ValueError, EOFError, KeyError, TypeError, pickle.UnpicklingError)


class StatisticsCache:
    """Plain data about a split, under a fingerprint of everything that they depend on.

    These are the data set's settings, its description, the place, size and time stamp of each of its files, the
    beginnings of up to 64 trajectories, and the version of upt. Data without files, or that fit into memory, are not
    kept: they are read anyway. A file is written beside its place and moved there in one step, so processes that
    measure at once never see half of one; what cannot be read is measured again.

    Args:
        settings: of the data set, as plain data.
        spec: as the data set declares it.
        files: those of the data set, as they are now.
    """

    def __init__(self, settings: Mapping[str, Any], spec: DataSpec, files: Files) -> None:
        stamps = [[str(path.resolve()), str(stamp)] for path, stamp in files.at_first.items()]
        self._about = json.dumps(
            [FORMAT, upt_core.__version__, torch.__version__, settings, repr(spec), stamps, len(files.paths)],
            sort_keys=True,
            default=str,
        )
        self._has_files = bool(files.paths)
        self._probes: dict[int, tuple[Trajectories, bytes]] = {}  # by the split's id, which lives as long as this

    def find(self, what: str, trajectories: Trajectories) -> dict[str, Any] | None:
        """What ``keep`` was given for these trajectories; None where that was never, or they fit into memory."""
        if not self._has_files or are_held(trajectories):
            return None
        try:
            file = self._file(what, trajectories)
        except BROKEN:
            return None
        try:
            found = torch.load(file, weights_only=True)
        except Exception:  # what a damaged pickle raises depends on its bytes; it is measured anew
            return None
        return found if isinstance(found, dict) else None

    def keep(self, what: str, trajectories: Trajectories, found: Mapping[str, Any]) -> None:
        """Writes what was measured; where that is not possible, one line says so, and the next run measures again.

        Args:
            what: was measured.
            trajectories: of which.
            found: tensors and plain data.
        """
        if not self._has_files or are_held(trajectories):
            return
        part: Path | None = None
        try:
            file = self._file(what, trajectories)
            part = file.with_suffix(f".{uuid.uuid4().hex}.part")
            torch.save(dict(found), part)
            os.replace(part, file)
        except (OSError, RuntimeError, UserError) as error:  # torch reports some errors of files as the latter
            _remove(part)
            if current().is_first:
                remark(f"the statistics of the data could not be saved ({error}); the next run will measure them again")

    def _file(self, what: str, trajectories: Trajectories) -> Path:
        digest = hashlib.blake2b(f"{what} {self._about} {len(trajectories)}".encode(), digest_size=16)
        digest.update(self._probe(trajectories))
        return cache_dir("statistics") / f"{digest.hexdigest()}.pt"

    def _probe(self, trajectories: Trajectories) -> bytes:
        """A digest of the beginnings of a split; they are read once."""
        if id(trajectories) not in self._probes:
            self._probes[id(trajectories)] = trajectories, digests_of(_Some(trajectories)).numpy().tobytes()
        return self._probes[id(trajectories)][1]


class _Some:
    """Evenly spaced ones of trajectories."""

    def __init__(self, trajectories: Trajectories) -> None:
        self._trajectories = trajectories
        self._numbers: Sequence[int] = spread(range(len(trajectories)), PROBED)

    def __len__(self) -> int:
        return len(self._numbers)

    def num_times(self, index: int) -> int:
        """Time steps of a trajectory."""
        return self._trajectories.num_times(self._numbers[index])

    def read(self, index: int, start: int, stop: int) -> Any:
        """Time steps of a trajectory."""
        return self._trajectories.read(self._numbers[index], start, stop)


def _remove(part: Path | None) -> None:
    try:
        if part is not None:
            part.unlink(missing_ok=True)
    except OSError:
        return  # the disk may be gone altogether
