"""When checkpoints are written, and how: beside training, several of them kept, failures told and tried again."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from upt_core.errors import CheckpointError
from upt_core.operator import own_parts
from upt_core.remarks import remark
from upt_core.training import checkpoint
from upt_core.whole_file import in_words

LAST, BEST = "last.pt", "best.pt"
RETRY_SECONDS = 30.0
"""How long after a checkpoint that could not be written the next one is tried, at least."""


@dataclass(frozen=True)
class CheckpointPlan:
    """When checkpoints are written, beside those at the end of a run; see ``CheckpointSettings``."""

    every_steps: int | None = None
    every_minutes: float | None = 5.0
    keep_last: int = 2
    keep_best: int = 1


class Saver:
    """Writes the checkpoints of a run, or of a stage of it.

    A state is copied, which is all that training waits for; a thread writes the copy. The best state so far is kept
    in memory and written before each last one: on disk, the best of ``last.pt`` is always there.

    Args:
        folder: of ``last.pt`` and ``best.pt``; older ones are ``last-1.pt``, ``last-2.pt`` and so on.
        plan: when, and how many are kept.
        clock: seconds.
    """

    def __init__(
        self, folder: Path, plan: CheckpointPlan | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self.plan = plan or CheckpointPlan()
        self._clock = clock
        self._writing: list[Future[list[Path]]] = []
        self._best: Mapping[str, Any] | None = None
        self._saved_at = self._clock()
        self._saved_step = 0
        self._failed_at: float | None = None
        self.failure = ""
        self._speaks = True

    def begin(self, step: int) -> None:
        """Starts the clock, at a number of steps of the optimizer, and removes what a killed writer has left."""
        self._saved_at, self._saved_step = self._clock(), step
        for part in self.folder.glob("*.part"):
            with contextlib.suppress(OSError):
                part.unlink()

    def due(self, step: int) -> bool:
        """Whether it is time for a checkpoint, and the last one is written."""
        if self.busy:
            return False
        if self._failed_at is not None and self._clock() - self._failed_at < RETRY_SECONDS:
            return False
        plan = self.plan
        by_steps = plan.every_steps is not None and step - self._saved_step >= plan.every_steps
        by_time = plan.every_minutes is not None and self._clock() - self._saved_at >= 60 * plan.every_minutes
        return by_steps or by_time or (self._failed_at is not None and step > self._saved_step)

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written."""
        return any(not writing.done() for writing in self._writing)

    def keep_best(self, state: Mapping[str, Any]) -> None:
        """Keeps a copy of a state as the best; it is written with the next checkpoint."""
        self._best = copied(state)

    def save(self, state: Mapping[str, Any], step: int) -> None:
        """Copies a state and has it written as the last one, after the best."""
        self._wait()  # one writer at a time
        best, self._best = self._best, None
        self._writing.append(in_thread(self._write, best, copied(state)))
        self._saved_at, self._saved_step = self._clock(), step

    def save_own_part(self, state: Mapping[str, Any], token: str) -> Path:
        """Where the model is divided: see ``ShardedSaver``."""
        raise NotImplementedError("each process has the whole state, not a part of it")

    def written(self) -> Iterator[Path]:
        """The files that were written since the last call; a failure is told, once for each reason."""
        done = [writing for writing in self._writing if writing.done()]
        self._writing = [writing for writing in self._writing if not writing.done()]
        for writing in done:
            yield from writing.result()

    def finish(self) -> Iterator[Path]:
        """Waits until everything is written; the files since the last call of ``written``.

        Raises:
            CheckpointError: the last state could not be written, with the reason in words.
        """
        self._wait()
        yield from self.written()
        if self.failure:
            raise CheckpointError(self.failure)

    def _wait(self) -> None:
        for writing in self._writing:
            writing.exception()  # waits, and raises nothing: ``written`` tells what happened

    def _write(self, best: Mapping[str, Any] | None, last: Any) -> list[Path]:
        """In the thread: the files that are on disk now. A best state that could not be written is kept."""
        done: list[Path] = []
        try:
            done += self._write_best(best)
            best = None
            done.append(self._write_last(last))
        except (OSError, RuntimeError) as error:
            if best is not None and self._best is None:
                self._best = best
            self._note(error)
        else:
            self._failed_at, self.failure = None, ""
        return done

    def _write_best(self, best: Mapping[str, Any] | None) -> list[Path]:
        return [] if best is None else [self._replace(best, self.folder / BEST, self.plan.keep_best)]

    def _write_last(self, last: Any) -> Path:
        path = self._replace(last, self.folder / LAST, self.plan.keep_last)
        self._remove_parts()
        return path

    def _remove_parts(self) -> None:
        """What processes saved each by itself has a younger state beside it now."""
        for path in self.folder.glob(f"{own_parts.PREFIX}*"):
            shutil.rmtree(path, ignore_errors=True)

    def _note(self, error: OSError | RuntimeError) -> None:
        reason = f"{self.folder}: no checkpoint could be written: {in_words(error, self.folder)}"
        if reason != self.failure and self._speaks:
            remark(f"{reason}; training continues, and upt will try again")
        self._failed_at, self.failure = self._clock(), reason

    def _replace(self, state: Mapping[str, Any], path: Path, keep: int) -> Path:
        """Writes a file; that of the same name before it becomes the first of the older ones."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"new-{path.name}.part")
        checkpoint.save(state, fresh)
        for number in range(keep - 1, 0, -1):
            newer = path if number == 1 else _older(path, number - 1)
            if newer.is_file():
                _link(newer, _older(path, number))  # not moved: there is a whole file of each name at any moment
        os.replace(fresh, path)
        return path


def newest(folder: Path) -> tuple[dict[str, Any], Path] | None:
    """The newest checkpoint that can be read, with its place; None: there is none at all.

    A damaged one is passed over with a remark.

    Raises:
        CheckpointError: there are some, and none can be read.
    """
    families = [
        [folder / LAST, *by_age(folder, LAST)],
        [folder / "last", *by_age(folder, "last", "")],  # of processes that divide the model
        *([path] for path in sorted(folder.glob(f"{own_parts.PREFIX}*"))),
    ]
    errors: list[CheckpointError] = []
    found = [one for family in families if (one := _newest_of(family, errors)) is not None]
    if len(found) > 1:  # not by the files' dates, which a copy changes: a run only ever saves what is further on
        found = [max(found, key=lambda one: (one[0]["state"]["step"], one[0]["seconds"]))]
    chosen = found[0] if found else _newest_of([folder / BEST, *by_age(folder, BEST)], errors)
    if chosen is None and errors:
        raise errors[0]
    if chosen is not None:
        for damaged in errors:
            remark(f"{damaged}; continuing from {chosen[1].name}, which is older")
    return chosen


def _newest_of(family: Sequence[Path], unread: list[CheckpointError]) -> tuple[dict[str, Any], Path] | None:
    """The first of some checkpoints, the newest first, that can be read; those before it are told of.

    Args:
        unread: is given the errors where none can be read.
    """
    errors: list[CheckpointError] = []
    for path in family:
        if not path.exists():
            continue
        try:
            state = checkpoint.load(path)
            if state.get("optimizers", ()) is None:
                continue  # whole weights alone, of a model that was trained in parts: nothing to go on from
        except CheckpointError as error:
            errors.append(error)
            continue
        for damaged in errors:
            remark(f"{damaged}; continuing from {path.name}, which is older")
        return state, path
    unread += errors
    return None


def in_thread(write: Callable[..., list[Path]], *arguments: object) -> Future[list[Path]]:
    """Calls a function in a thread that ends with it: none is idle when data workers are forked."""
    future: Future[list[Path]] = Future()

    def run() -> None:
        try:
            future.set_result(write(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="checkpoint").start()
    return future


def copied(value: Any) -> Any:
    """A state on the CPU, in memory of its own: training may go on while it is written."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copied(part) for part in value)
    return value


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def by_age(folder: Path, name: str, suffix: str = ".pt") -> list[Path]:
    """The older checkpoints of a name, the newest first."""
    stem = Path(name).stem
    numbered = [path for path in folder.glob(f"{stem}-*{suffix}") if path.stem.removeprefix(f"{stem}-").isdigit()]
    numbered = [path for path in numbered if path.suffix == suffix]
    return sorted(numbered, key=lambda path: int(path.stem.removeprefix(f"{stem}-")))


def _link(source: Path, target: Path) -> None:
    """The same file under a second name, which takes that name's place; a copy where a file system has no links."""
    part = target.with_name(f"link-{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:
        shutil.copyfile(source, part)
    os.replace(part, target)
