"""What one process holds of a model that FSDP divides; docs/scale.md has the formulas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from upt_core import Upt
from upt_core.commands import Precision, blocks_of
from upt_estimate.ledger import Ledger

FLOAT = 4
"""Bytes in which gradients are summed and parameters are kept."""


class Division:
    """Parameters, gradients, moving average and optimizer state of a model, counted as the part of the first process.

    A parameter is cut along its first axis, so that process has the most rows. Parameters are still computed with
    whole: what is gathered for that is counted apart, see ``gathered_bytes``.

    Args:
        devices: processes that divide the model.
        ledger: that counts.
    """

    def __init__(self, devices: int, ledger: Ledger) -> None:
        self._devices, self._ledger = devices, ledger

    def divide(self, values: Iterable[Tensor]) -> None:
        """Counts tensors as their part from now on."""
        for value in values:
            self._ledger.count_as(value, part_bytes(value, self._devices))

    def divide_states(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """Counts what optimizers know as its part: all that has the shape of its parameter, and is not kept whole."""
        for optimizer in optimizers:
            if getattr(optimizer, "keeps_whole_states", False):
                continue
            for parameter, state in optimizer.state.items():
                states = (value for value in state.values() if isinstance(value, Tensor))
                self.divide(value for value in states if value.shape == parameter.shape)


def part_bytes(value: Tensor, devices: int) -> int:
    """Bytes of the rows that the first of so many processes has."""
    rows = value.shape[0] if value.dim() else 1
    return -(-rows // devices) * (value.nbytes // max(rows, 1))


def gathered_bytes(model: Upt, precision: Precision) -> int:
    """Most bytes of what is whole for a moment: parameters of a block and of the next one, which is on its way; the
    block's gradients; and their copy in float32 that is summed over the processes."""
    each = FLOAT if precision == "fp32" else 2
    return max(_sizes(model)) * (2 * each + each + FLOAT)


def window_bytes(model: Upt, accumulate: int) -> int:
    """Bytes of gradients that stay whole until the last batch of a window, which alone sends them."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return FLOAT * trained if accumulate > 1 else 0


def _sizes(model: Upt) -> Iterator[int]:
    """Numbers of parameters that are gathered together: those of each block, and the rest of each part."""
    for part in (model.encoder, model.approximator, model.decoder):
        blocks = blocks_of(part)
        within = {id(parameter) for block in blocks for parameter in block.parameters()}
        yield from (_numbers(block.parameters()) for block in blocks)
        yield _numbers(parameter for parameter in part.parameters() if id(parameter) not in within)


def _numbers(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)
