"""Out of memory, in words: which loss term, at how many query points, and what to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from upt_core.batch import Batch
from upt_core.errors import UserError


class OutOfMemory(UserError):  # noqa: N818  MemoryError is Python's own
    """The device, or the machine, has not enough memory for a step."""


@contextmanager
def out_of_memory_named(where: str, batch: Batch, num_queries: int | None = None) -> Iterator[None]:
    """Makes a message of an allocation that fails inside.

    Args:
        where: the loss term or pass that it is for.
        batch: that was computed on.
        num_queries: query points of each sample; None: there is no one number.

    Raises:
        OutOfMemory: what failed, its size, and what to lower.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        points = batch.points
        size = f"{points.batch_size} samples of {points.num_points} points"
        queries = "" if num_queries is None else f", {num_queries} query points each"
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise OutOfMemory(
            f"{where}: out of memory with {size}{queries}: {reason}; lower trainer.batch_size (and raise "
            f"trainer.accumulate as much, which changes nothing else), the sampler's num_queries, or model.latent; "
            f"or set trainer.precision: bf16"
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had, on a device or on the host."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
