"""Batches read ahead by processes of their own, which the signals that end a run do not reach."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from upt_core.batch import Batch
from upt_core.interrupt import SIGNALS


def read_ahead(source: Dataset[Batch], start: int, stop: int, workers: int, pin_memory: bool) -> Iterator[Batch]:
    """Batches start ≤ k < stop of a source, read ahead by ``workers`` processes; of none, each when it is asked for."""
    if workers == 0 and not pin_memory:  # torch's loader takes as long as a small batch
        return (source[number] for number in range(start, stop))
    loader: DataLoader[Batch] = DataLoader(
        source,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=leave_group if workers else None,
        generator=torch.Generator(),  # otherwise every epoch would draw from the global random state
    )
    if workers == 0 or not hasattr(signal, "sigtimedwait"):
        return iter(loader)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the new processes begin so, too
    try:
        return iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_group(worker: int) -> None:
    """A signal that ends a run often goes to its whole process group. Those that read ahead are not in it: the step
    that is then finished may need them, and they end with the process that they read for."""
    if hasattr(signal, "sigtimedwait"):
        os.setpgrp()
        while signal.sigtimedwait(SIGNALS, 0) is not None:
            pass  # it came before this process had left
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
