"""A model whose parameters, gradients and optimizer state are divided among the processes (torch's FSDP2)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard, zeros

from upt_core.model import Approximator, Decoder, Encoder
from upt_core.operator import sharded_file
from upt_core.precision import Precision
from upt_core.processes import PATIENCE, Processes
from upt_core.shards import local

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
        self.rank, self.size = processes.rank, processes.size
        self._mesh, self._host = options["mesh"], init_device_mesh("cpu", (processes.size,))
        self.writers = dist.new_group(backend="gloo", timeout=PATIENCE)

    def on_host(self, value: Tensor) -> Tensor:
        """A copy of a divided tensor on the CPU, for a thread that writes it."""
        own = local(value).detach().to("cpu", copy=True)
        return _divided(own, value, self._host)

    def read(self, state: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """A state from the folder of a checkpoint with its divided tensors, of which this process reads its parts."""
        sizes = sharded_file.sizes_of(folder)
        found: dict[str, Tensor] = {
            key: zeros(size, dtype=dtype, device_mesh=self._host, placements=(Shard(0),))
            for key, (size, dtype) in sizes.items()
        }
        sharded_file.fill(found, folder)
        for key, value in found.items():
            found[key] = _divided(local(value).to(self._mesh.device_type), value, self._mesh)
        filled: dict[str, Any] = sharded_file.filled(state, found)
        return filled

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


def _divided(own: Tensor, like: Tensor, mesh: DeviceMesh) -> Tensor:
    """A tensor divided as another one is, of which this process has its part."""
    return DTensor.from_local(own, mesh, (Shard(0),), run_check=False, shape=like.shape, stride=like.stride())


def blocks_of(part: nn.Module) -> list[nn.Module]:
    """The blocks of a part: what its lists of modules hold, without lists within blocks."""
    found: list[nn.Module] = []
    for child in part.children():
        found += list(child) if isinstance(child, nn.ModuleList) else blocks_of(child)
    return [block for block in found if next(block.parameters(), None) is not None]
