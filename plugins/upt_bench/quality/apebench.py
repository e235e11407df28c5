"""APEBench's networks, from its package pdequinox, on jax: FNO, U-Net and residual network."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from upt_bench.quality.between import Between, missing
from upt_bench.quality.places import num_places
from upt_core import UserError

ONE_THREAD = {"NPROC": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
"""What XLA reads when it starts."""
LEVELS = 2
MODES = 12
"""Of a Fourier layer along each axis, one-sided; more where the task has more, and in three dimensions the task's."""
WIDTHS = {"ape-fno": 18, "ape-unet": 12, "ape-resnet": 26}
"""With the levels, modes and numbers of blocks, the sizes of APEBench's own comparisons in one dimension."""
NARROW = 12
"""Of the residual network in two and three dimensions: with 26, a step on 64 × 64 points takes half a second."""


def network(operator: str, it: Between) -> Any:
    """A module of equinox for one sample, (C, \\*grid) → (C, \\*grid).

    Convolutions wrap around if the grid does; where it does not, they are padded with zeros.

    Args:
        operator: ``ape-fno``, ``ape-unet`` or ``ape-resnet``.
        it: what it maps between.

    Raises:
        UserError: pdequinox is not installed, or the U-Net cannot halve the grid.
    """
    jax, pdequinox, _ = modules(operator)
    inputs = it.inputs + (num_places(it.periodic) if it.placed else 0)
    common: dict[str, Any] = {"num_spatial_dims": it.dims, "in_channels": inputs, "out_channels": it.outputs}
    common |= {"key": jax.random.key(it.seed), "boundary_mode": "periodic" if all(it.periodic) else "dirichlet"}
    width = NARROW if operator == "ape-resnet" and it.dims > 1 else WIDTHS[operator]
    common |= {"hidden_channels": width, "activation": jax.nn.gelu if operator == "ape-fno" else jax.nn.relu}
    arch = pdequinox.arch
    if operator == "ape-fno":
        return arch.ClassicFNO(**common, num_modes=_modes(it), num_blocks=4)
    if operator == "ape-unet":
        if any(points % 2**LEVELS for points in it.shape):
            raise UserError(f"the operator {operator} needs axes of a multiple of {2**LEVELS} points, not {it.shape}")
        return arch.ClassicUNet(**common, num_levels=LEVELS)
    return arch.ClassicResNet(**common, num_blocks=8)


def _modes(it: Between) -> tuple[int, ...]:
    least = MODES if it.dims < 3 else 1
    return tuple(min(points // 2, max(least, modes // 2)) for modes, points in zip(it.modes, it.shape, strict=True))


def modules(operator: str) -> tuple[ModuleType, ModuleType, ModuleType]:
    """jax, pdequinox and optax; jax is held to one thread if it has not started yet.

    Raises:
        UserError: one of them is not installed.
    """
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    try:
        import jax  # late: an extra
        import optax
        import pdequinox
    except ImportError as error:
        raise missing(operator, "pdequinox", "apebench") from error
    return jax, pdequinox, optax
