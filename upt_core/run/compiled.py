"""torch.compile of a model's parts, in place, so that the names of weights in checkpoints stay."""

from __future__ import annotations

import torch._functorch.config as functorch
from torch import nn


def compile_parts(model: nn.Module) -> None:
    """Compiles encoder, approximator and decoder on their first call.

    Terms share encodings, and the gradient norm of each term is measured, so a graph is gone back through more than
    once. Buffers that a compiled backward pass takes for its own would be gone by then; torch does without them.
    """
    functorch.donated_buffer = False
    for module in model.children():
        module.compile()
