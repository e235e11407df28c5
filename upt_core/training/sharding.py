"""A model whose parameters, gradients and optimizer state are divided among the processes (torch's FSDP2)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from upt_core.model import Approximator, Decoder, Encoder
from upt_core.precision import Precision
from upt_core.processes import Processes

PARTS = (Encoder, Approximator, Decoder)
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Sharding:
    """The parts of a model, sharded: each is gathered for a call, and let go after it.

    Encoder, approximator and decoder are sharded each by itself, since losses call them one by one, and within them
    every block of an ``nn.ModuleList``, so that one block at a time is whole. A parameter is cut along its first axis.
    With bf16 and fp16 parameters are gathered in that format, and gradients are summed in float32; coordinates and
    fields keep the format that they come in.

    Args:
        model: on its device; parts that are sharded already stay as they are.
        precision: of training.
        processes: that train together.
    """

    def __init__(self, model: nn.Module, precision: Precision, processes: Processes) -> None:
        parts = [module for module in model.modules() if isinstance(module, PARTS)]
        device = next(model.parameters()).device.type
        half = _HALF.get(precision)
        options: dict[str, Any] = {
            "mesh": init_device_mesh(device, (processes.size,)),
            "reshard_after_forward": True,
            "mp_policy": MixedPrecisionPolicy(half, torch.float32 if half else None, cast_forward_inputs=False),
        }
        # It warns of changes in place, which the memo of a step refuses anyway.
        warnings.filterwarnings("ignore", r"FSDP2-wrapped module .* returned a view", UserWarning)
        for part in reversed(parts):  # one that is within another comes first
            for module in (*blocks_of(part), part):
                if not isinstance(module, FSDPModule):
                    fully_shard(module, **options)
        within = {id(inner) for part in parts for inner in part.modules() if inner is not part}
        self.parts = [part for part in parts if isinstance(part, FSDPModule) and id(part) not in within]
        self.whole = False

    @contextmanager
    def sending(self, now: bool) -> Iterator[None]:
        """For a forward and a backward pass: whether gradients are summed over processes in it, or kept for a later
        one, which takes the memory of a whole gradient."""
        for part in self.parts:
            part.set_requires_gradient_sync(now)
        yield

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """For the time of a block without steps of training, the whole model in every process.

        All processes enter and leave it together. Within, none sends anything: each may call the parts as often as it
        likes, and take gradients with ``torch.autograd.grad``.
        """
        called: set[nn.Module] = set()
        handles = [part.register_forward_pre_hook(lambda module, _: called.add(module)) for part in self.parts]
        self._keep_whole(True)
        for module in self._modules():
            module.unshard()
        self.whole = True
        try:
            yield
        finally:
            self.whole = False
            for handle in handles:
                handle.remove()
            for part in self.parts:
                if part in called:  # FSDP's notes of which calls a backward pass will meet: each process has its own
                    part.reset_iter_state()
            for module in self._modules():
                module.reshard()
            self._keep_whole(False)

    def _modules(self) -> list[FSDPModule]:
        return [module for part in self.parts for module in part.modules() if isinstance(module, FSDPModule)]

    def _keep_whole(self, whole: bool) -> None:
        """Whether calls let parameters go, and backward passes send gradients."""
        for part in self.parts:
            part.set_reshard_after_forward(not whole)
            part.set_reshard_after_backward(not whole)
            part.set_requires_gradient_sync(not whole)


def blocks_of(part: nn.Module) -> list[nn.Module]:
    """The blocks of a part: what its lists of modules hold, without lists within blocks."""
    found: list[nn.Module] = []
    for child in part.children():
        found += list(child) if isinstance(child, nn.ModuleList) else blocks_of(child)
    return [block for block in found if next(block.parameters(), None) is not None]
