"""The processes that train together: which of them this one is, and what they tell each other.

One process alone is all of them: nothing is sent, and ``torch.distributed`` is not imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from upt_core.errors import UserError
from upt_core.gloo_threads import settle

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed import ProcessGroup
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")
PATIENCE = timedelta(days=1)
"""How long a message is waited for: one process may encode latents, or have the last of long batches, for hours. A
process that ends is noticed at once."""


class OtherProcessError(UserError):
    """Another of the processes that train together failed, and says why; this one is well."""


@dataclass(frozen=True)
class Share:
    """The rows of every batch that are one process's: each ``size``-th, from row ``rank`` on."""

    rank: int = 0
    size: int = 1

    def of(self, rows: Sequence[T]) -> Sequence[T]:
        """Own rows. A process without any takes the first row of another, so that it has something to compute."""
        return rows[self.rank :: self.size] or rows[:1]

    def count(self, rows: int) -> int:
        """How many of so many rows are own ones."""
        return len(range(self.rank, rows, self.size))

    def largest(self, rows: int) -> int:
        """The most rows that a process has of so many."""
        return -(-rows // self.size)


@dataclass(frozen=True)
class Processes:
    """The processes that train together, seen from one of them.

    All must send the same messages in the same order. Messages are small and plain, and the host waits for them.

    Args:
        rank: number of this process, from 0.
        size: how many there are.
        local_rank: number of this process on its machine.
        group: of messages between hosts; None: there is one process.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    group: ProcessGroup | None = None

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.size > 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    @property
    def share(self) -> Share:
        """This process's rows of every batch."""
        return Share(self.rank, self.size)

    def of_all(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        if not self.several:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value, group=self.group)
        return found

    def of_first(self, action: Callable[[], T]) -> T:
        """What an action gives on the first process, which alone does it.

        Raises:
            OtherProcessError: it failed there.
        """
        if not self.several:
            return action()
        import torch.distributed as dist

        with self.agreed():  # a failure is told first: whoever waited for the value would wait for ever
            told = [action() if self.is_first else None]
        dist.broadcast_object_list(told, 0, group=self.group)
        return told[0]  # type: ignore[return-value]

    def to_first(self, rank: int, value: T | None) -> T | None:
        """What one process, not the first, sends to the first; None in the others."""
        import torch.distributed as dist

        told = [value]
        if self.rank == rank:
            dist.send_object_list(told, 0, group=self.group)
        elif self.is_first:
            dist.recv_object_list(told, rank, group=self.group)
        return told[0] if self.is_first else None

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes."""
        if not self.several:
            return list(values)
        import torch
        import torch.distributed as dist

        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total, group=self.group)
        found: list[float] = total.tolist()
        return found

    def sum_of(self, value: Tensor) -> Tensor:
        """A tensor, summed over all processes, in place; all have the same shape and type, and get the same bits."""
        if self.several:
            import torch.distributed as dist

            dist.all_reduce(value, group=self.group if value.device.type == "cpu" else None)
        return value

    def told_by(self, rank: int, value: Tensor) -> Tensor:
        """A tensor of one process, which takes the place of those of the others: all have the same shape and type."""
        if self.several:
            import torch.distributed as dist

            dist.broadcast(value, rank, group=self.group if value.device.type == "cpu" else None)
        return value

    def mean(self, values: Mapping[str, float], weight: float) -> dict[str, float]:
        """Each value's mean over all processes, of which this one counts by ``weight``; the weights sum to 1."""
        if not self.several:
            return dict(values)
        return dict(zip(values, self.sums([weight * value for value in values.values()]), strict=True))

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any process."""
        return self.sums([float(flag)])[0] > 0 if self.several else flag

    def wait(self) -> None:
        """Returns when all processes are here."""
        self.any(False)

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """A block without messages that ends well in all processes, or in none.

        Raises:
            OtherProcessError: it failed in another process; the lowest of those where it failed raises its own error.
        """
        if not self.several:
            yield
            return
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        failed = [rank for rank, well in enumerate(self.of_all(failure is None)) if not well]
        if failure is not None and failed[0] == self.rank:
            failure.add_note(f"in process {self.rank} of {self.size}")
            raise failure
        if failed:
            raise OtherProcessError(
                f"process {failed[0]} of {self.size} failed; its message gives the cause"
            ) from failure

    @contextmanager
    def in_turns(self) -> Iterator[None]:
        """A block that the first process does alone, then the first of each other machine, then the rest.

        What it leaves in a cache is then made once, on machines with and without common folders.
        """
        turn = 0 if self.rank == 0 else 1 if self.local_rank == 0 else 2
        for _ in range(turn):
            self.wait()
        try:
            yield
        finally:
            for _ in range(turn, 2):
                self.wait()


ALONE = Processes()
_here = ALONE
_meetings = count()


def current() -> Processes:
    """The processes that train together now."""
    return _here


@contextmanager
def joined() -> Iterator[Processes]:
    """For the time of a block, the processes that were started together: by torchrun, or as a group made by hand.

    The group is made from the environment that torchrun sets, where there is none yet, and left at the end. After an
    error it is not left: others may still wait in it, and learn of the end of this process.

    Raises:
        UserError: the environment says that there are others, but not how to find them.
    """
    global _here
    if _here is not ALONE:  # a block in a block
        yield _here
        return
    made = _make_group()
    _here = _processes()
    try:
        yield _here
    except (KeyboardInterrupt, SystemExit):
        _leave(_here, made)
        raise
    else:
        _leave(_here, made)
    finally:
        _here = ALONE


def _make_group() -> bool:
    """Whether a group had to be made, and was."""
    if _has_group() or int(os.environ.get("WORLD_SIZE") or 1) == 1:
        return False
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if missing:
        raise UserError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, so several processes train together, but {', '.join(missing)} "
            f"is not set; start them with torchrun, or unset WORLD_SIZE to train in one process"
        )
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store, rank, size = _meeting_place()
    # torchrun's store outlives the processes that it starts again: theirs is a meeting of its own, too.
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    named = PrefixStore(f"upt {restarts}.{next(_meetings)}", store)
    dist.init_process_group(backend, store=named, rank=rank, world_size=size)
    return True


@cache
def _meeting_place() -> tuple[Store, int, int]:
    """Where the processes find each other, kept for further meetings: each has names of its own there, since under
    the names of the last one some would find addresses that nobody answers any more."""
    from torch.distributed.rendezvous import rendezvous

    place: tuple[Store, int, int] = next(rendezvous("env://"))
    return place


def _has_group() -> bool:
    dist = sys.modules.get("torch.distributed")
    return dist is not None and dist.is_available() and dist.is_initialized()


def _processes() -> Processes:
    if not _has_group():
        return ALONE
    import torch.distributed as dist

    rank, size = dist.get_rank(), dist.get_world_size()
    if size == 1:
        return ALONE
    local_rank = int(os.environ.get("LOCAL_RANK") or rank)
    # A group of its own for messages between hosts: one made by hand may take tensors of devices alone, and gives up
    # after minutes, while the first process may validate for longer.
    return Processes(rank, size, local_rank, dist.new_group(backend="gloo", timeout=PATIENCE))


def _leave(processes: Processes, made: bool) -> None:
    """All leave together, since whoever starts processes may end those that are left when one ends."""
    if processes.several:
        processes.wait()
        settle()
    if made:
        import torch.distributed as dist

        dist.destroy_process_group()
