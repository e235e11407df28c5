"""Batches read ahead by processes of their own, which the signals that end a run do not reach."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from upt_core.batch import Batch
from upt_core.data.packed import SMALL, Packed, pack, unpack
from upt_core.interrupt import SIGNALS


def read_ahead(source: Dataset[Batch], start: int, stop: int, workers: int, pin_memory: bool) -> Iterator[Batch]:
    """Batches start ≤ k < stop of a source, read ahead by ``workers`` processes; of none, each when it is asked for."""
    if workers == 0 and not pin_memory:  # torch's loader takes as long as a small batch
        return (source[number] for number in range(start, stop))
    loader: DataLoader[Any] = DataLoader(
        _Packing(source, 0 if pin_memory else SMALL) if workers else source,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=leave_group if workers else None,
        generator=torch.Generator(),  # otherwise every epoch would draw from the global random state
    )
    if workers == 0:
        return iter(loader)
    if not hasattr(signal, "sigtimedwait"):
        return map(unpack, iter(loader))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the new processes begin so, too
    try:
        return map(unpack, iter(loader))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Packing(Dataset[Packed]):
    """The batches of a source, each in one block of memory, a tensor where it has more than ``small`` bytes."""

    def __init__(self, source: Dataset[Batch], small: int) -> None:
        self._source = source
        self._small = small  # only tensors are pinned

    def __getitem__(self, number: int) -> Packed:
        return pack(self._source[number], self._small)


def leave_group(worker: int) -> None:
    """A signal that ends a run often goes to its whole process group. Those that read ahead are not in it: the step
    that is then finished may need them, and they end with the process that they read for."""
    if hasattr(signal, "sigtimedwait"):
        os.setpgrp()
        while signal.sigtimedwait(SIGNALS, 0) is not None:
            pass  # it came before this process had left
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
