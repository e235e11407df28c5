"""Writes checkpoints of a model that is divided among processes: each process its parts, beside training."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.distributed as dist
from torch import Tensor

from upt_core.operator import file, own_parts, sharded_file
from upt_core.shards import is_sharded
from upt_core.training.saver import BEST, CheckpointPlan, Saver, by_age, copied, in_thread

if TYPE_CHECKING:
    from upt_core.training.sharding import Sharding

FOLDER = "last"
PART = f"new-{FOLDER}.part"


@dataclass(frozen=True)
class Divided:
    """A state, copied: the divided tensors by key, and all else with keys in their places."""

    state: Mapping[str, Any]
    tensors: dict[str, Tensor]


class ShardedSaver(Saver):
    """Writes the checkpoints of all processes into common folders ``last``, ``last-1`` and so on.

    A folder gets its name when every process has written its parts, on disk. ``best.pt`` is a file, of whole weights
    without the optimizers' state, which the first process writes.

    Args:
        folder: of the checkpoints, which all processes see.
        plan: when, and how many are kept.
        sharding: of the model.
        clock: seconds.
    """

    def __init__(
        self,
        folder: Path,
        plan: CheckpointPlan | None,
        sharding: Sharding,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(folder, plan, clock)
        self._sharding = sharding
        self._speaks = sharding.rank == 0  # what fails in one fails in all

    def begin(self, step: int) -> None:
        """Starts the clock, and removes what killed writers have left."""
        super().begin(step)
        shutil.rmtree(self.folder / PART, ignore_errors=True)

    def save(self, state: Mapping[str, Any], step: int) -> None:
        """Copies this process's parts and has them written; all processes ask for it together."""
        self._wait()
        best, self._best = self._best, None
        self._writing.append(in_thread(self._write, best, self._copied(state)))
        self._saved_at, self._saved_step = self._clock(), step

    def save_own_part(self, state: Mapping[str, Any], token: str) -> Path:
        """Writes this process's part at once and without a message: the others may be gone.

        Args:
            token: the same in all processes, and another each time that they start.
        """
        if self._best is not None:  # the state knows that there is such a one
            self._replace(self._best, self.folder / BEST, self.plan.keep_best)
        divided = self._copied(state)
        folder = self.folder / f"{own_parts.PREFIX}{token}"
        return own_parts.write(folder, (self._sharding.rank, self._sharding.size), divided.state, divided.tensors)

    def _copied(self, state: Mapping[str, Any]) -> Divided:
        tensors: dict[str, Tensor] = {}
        known: dict[int, str] = {}

        def without(value: Any) -> Any:
            if is_sharded(value):
                key = known.setdefault(id(value), str(len(known)))
                if key not in tensors:
                    tensors[key] = self._sharding.on_host(value)
                return {sharded_file.KEY: key}
            if isinstance(value, Mapping):
                return {name: without(part) for name, part in value.items()}
            if isinstance(value, list | tuple):
                return type(value)(without(part) for part in value)
            return copied(value)

        return Divided(without(state), tensors)

    def _write_best(self, best: Mapping[str, Any] | None) -> list[Path]:
        """In the thread: the first process has such a state; where it cannot be written, none goes on to its parts."""
        found: list[Path] = self._together(lambda: super(ShardedSaver, self)._write_best(best))
        return found

    def _write_last(self, last: Any) -> Path:
        """In the thread: writes a folder beside its place; every process leaves it with the same outcome."""
        part = self.folder / PART
        group, rank = self._sharding.writers, self._sharding.rank
        self._together(lambda: _emptied(part) if rank == 0 else None)
        self._save_parts(last.tensors, part)
        own = self._together(lambda: _digests(part, rank))
        found: list[Any] = [None] * self._sharding.size
        dist.all_gather_object(found, own, group=group)
        digests = {name: value for one in found for name, value in one.items()}
        self._together(lambda: self._finish(last.state, digests, part) if rank == 0 else None)
        return self.folder / FOLDER

    def _save_parts(self, tensors: dict[str, Tensor], part: Path) -> None:
        from torch.distributed.checkpoint.api import CheckpointException
        from torch.distributed.checkpoint.filesystem import FileSystemWriter
        from torch.distributed.checkpoint.state_dict_saver import save

        try:
            save(tensors, storage_writer=FileSystemWriter(part), process_group=self._sharding.writers)
        except CheckpointException as error:  # torch's is no Exception; it knows what failed in which process
            for failure, _ in error.failures.values():
                if isinstance(failure, OSError):
                    raise failure from error
            raise RuntimeError(str(error).strip()) from error

    def _together(self, action: Callable[[], Any]) -> Any:
        """What an action gives; where it fails in one process, it fails in all.

        Raises:
            RuntimeError: it failed in another.
        """
        failure: Exception | None = None
        found = None
        try:
            found = action()
        except Exception as error:
            failure = error
        told: list[Any] = [None] * self._sharding.size
        dist.all_gather_object(told, "" if failure is None else str(failure), group=self._sharding.writers)
        if failure is not None:
            raise failure
        for rank, text in enumerate(told):
            if text:
                raise RuntimeError(f"process {rank}: {text}")
        return found

    def _finish(self, state: Mapping[str, Any], digests: dict[str, str], part: Path) -> None:
        """The state with the digests; then the folder gets its name, and the older ones theirs.

        There is a whole one at any moment: the one before stays until the new one has its name.
        """
        file.write({**state, sharded_file.DIGESTS: digests}, part / sharded_file.STATE)
        older = [self.folder / FOLDER, *by_age(self.folder, FOLDER, "")]
        for number in range(min(len(older), max(self.plan.keep_last, 2)), 0, -1):
            target = self.folder / f"{FOLDER}-{number}"
            if older[number - 1].is_dir():
                shutil.rmtree(target, ignore_errors=True)
                os.rename(older[number - 1], target)
        os.rename(part, self.folder / FOLDER)
        file.sync_folder(self.folder)
        self._remove_parts()
        for path in by_age(self.folder, FOLDER, "")[self.plan.keep_last - 1 :]:
            with contextlib.suppress(OSError):
                shutil.rmtree(path)


def _digests(part: Path, rank: int) -> dict[str, str]:
    """Of the files that a process wrote; the description is the first one's."""
    names = [path.name for path in part.iterdir() if path.name.startswith(f"__{rank}_")]
    return {name: sharded_file.digest(part / name) for name in (*names, *([".metadata"] if rank == 0 else []))}


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
