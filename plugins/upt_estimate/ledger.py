"""A ledger of memory: what every operation allocates, for whom, and when it is let go; and its FLOPs and bytes.

Operations run on fake tensors, which have a shape and no memory. A storage counts from the operation that makes it
until Python and autograd let it go, as with real memory; what a kernel takes for itself and gives back is not seen.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode  # torch's own tools for memory are built on it
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from upt_estimate.known import KnownValues

Label = tuple[str, ...]
"""For whom memory is held: ("parameters",), ("forward", "decoder"), ("backward",)…"""

ATTENTION_ON_CPU = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
ATTENTION_BACKWARD_ON_CPU = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts while it is active, on top of a ``FakeTensorMode``.

    ``live`` is what is held now by label, ``peak`` the most that was held together and ``at_peak`` by whom.
    ``flops`` counts multiplications and additions of matrix products, convolutions and attention; ``moved`` the bytes
    that operations read and write, each by itself.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live: Counter[Label] = Counter()
        self.at_peak: Mapping[Label, int] = {}
        self.peak = self.total = 0
        self.flops = self.moved = 0
        self.known = KnownValues()
        self.failed_at: Label = ()
        """Under which label an exception was raised first."""
        self._label: Label = ()
        self._seen: dict[int, tuple[weakref.ref[torch.UntypedStorage], Label, int]] = {}

    @contextmanager
    def holding(self, *words: str) -> Iterator[None]:
        """What is allocated within belongs to these words, after those around."""
        before = self._label
        self._label = (*before, *words)
        try:
            yield
        except BaseException:
            self.failed_at = self.failed_at or self._label
            raise
        finally:
            self._label = before

    @contextmanager
    def only(self, *words: str) -> Iterator[None]:
        """What is allocated within belongs to these words alone."""
        before, self._label = self._label, ()
        try:
            with self.holding(*words):
                yield
        finally:
            self._label = before

    def restart(self) -> None:
        """Forgets the peak, FLOPs and bytes so far; what is held stays held."""
        self.peak, self.at_peak, self.flops, self.moved = self.total, dict(self.live), 0, 0

    def hold(self, value: Tensor) -> None:
        """Counts the memory of a tensor under the present label, if it is not counted yet."""
        storage = value.untyped_storage()
        key, size = id(storage), storage.nbytes()
        if key in self._seen and self._seen[key][0]() is storage:
            return

        def let_go(_: object) -> None:
            _, label, counted = self._seen.pop(key)
            self.live[label] -= counted
            self.total -= counted

        self._seen[key] = weakref.ref(storage, let_go), self._label, size
        self.live[self._label] += size
        self.total += size
        if self.total > self.peak:
            self.peak, self.at_peak = self.total, dict(self.live)

    def hand_over(self, value: Tensor, *words: str) -> None:
        """What a tensor holds belongs to other words from now on."""
        key = id(value.untyped_storage())
        reference, label, size = self._seen[key]
        self._seen[key] = reference, words, size
        self.live[label] -= size
        self.live[words] += size

    def count_as(self, value: Tensor, size: int) -> None:
        """What a tensor holds counts as so many bytes from now on, as where other processes hold the rest."""
        key = id(value.untyped_storage())
        reference, label, before = self._seen[key]
        self._seen[key] = reference, label, size
        self.live[label] += size - before
        self.total += size - before

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found, answer = self.known.asked(func, args, kwargs)
        if found:
            return answer
        out = func(*args, **kwargs)
        self.known.note(func, args, kwargs, out)
        self._count(func, args, kwargs, out)
        for value in tree_leaves(out):
            if isinstance(value, Tensor):
                self.hold(value)
        return out

    def _count(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        read = {id(s): s for v in tree_leaves((args, kwargs)) if isinstance(v, Tensor) for s in (v,)}
        written = [value for value in tree_leaves(out) if isinstance(value, Tensor)]
        storages = {id(value.untyped_storage()) for value in read.values()}
        if not func._schema.is_mutable and all(id(value.untyped_storage()) in storages for value in written):
            return  # a view
        self.moved += sum(value.numel() * value.element_size() for value in (*read.values(), *written))
        self.flops += _flops(func, args, kwargs, out)


def _flops(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    packet = func.overloadpacket
    if packet == ATTENTION_ON_CPU:
        query, key, value = args[:3]
        return _attention(query.shape, key.shape, value.shape)
    if packet == ATTENTION_BACKWARD_ON_CPU:
        _, query, key, value = args[:4]
        return 5 * _attention(query.shape, key.shape, value.shape) // 2  # scores again, and four products
    count = flop_registry.get(packet)
    return 0 if count is None else int(count(*args, **kwargs, out_val=out))


def _attention(query: Any, key: Any, value: Any) -> int:
    batch, heads, rows, width = query
    return int(2 * batch * heads * rows * key[2] * (width + value[3]))
