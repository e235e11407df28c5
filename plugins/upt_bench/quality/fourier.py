"""neuraloperator's networks of Fourier layers: FNO, its factorised form TFNO, and the U-shaped UNO."""

from __future__ import annotations

import contextlib
import io
from types import ModuleType
from typing import Any

import torch
from torch import nn

from upt_bench.quality.between import Between, missing

LAYERS = 4
RANK = 0.1
"""Share of the numbers of a dense weight that TFNO's Tucker form has: neuraloperator's default."""


def fno(it: Between) -> nn.Module:
    """The Fourier neural operator (arXiv 2010.08895) with four layers.

    Raises:
        UserError: neuraloperator is not installed.
    """
    return _seeded(it, _models("fno").FNO, _layers(it))


def tfno(it: Between) -> nn.Module:
    """The same with weights in Tucker form at a rank of 0.1 (arXiv 2310.00120).

    Raises:
        UserError: neuraloperator is not installed.
    """
    return _seeded(it, _models("tfno").TFNO, {**_layers(it), "rank": RANK})


def uno(it: Between) -> nn.Module:
    """The U-shaped neural operator (arXiv 2204.11127) of five layers, as neuraloperator's own for Darcy flow.

    Three of the layers work on half the points with half the modes and twice the channels. In two and three dimensions
    it has half of the FNO's modes and two thirds of its width, or few of its steps would fit into a minute.

    Raises:
        UserError: neuraloperator is not installed.
    """
    width, same = (it.width, it.modes) if it.dims == 1 else (it.width * 2 // 3, _half(it.modes))
    fewer = _half(same)
    sizes: dict[str, Any] = {
        "hidden_channels": width,
        "lifting_channels": 2 * width,
        "projection_channels": 2 * width,
        "n_layers": 5,
        "uno_out_channels": [width, 2 * width, 2 * width, 2 * width, width],
        "uno_n_modes": [list(modes) for modes in (same, fewer, fewer, fewer, same)],
        "uno_scalings": [[factor] * it.dims for factor in (1.0, 0.5, 1.0, 2.0, 1.0)],
        "channel_mlp_skip": "linear",
    }
    with contextlib.redirect_stdout(io.StringIO()):  # neuraloperator 2.0 prints what it does
        return _seeded(it, _models("uno").UNO, sizes)


def _half(modes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(1, number // 2) for number in modes)


def _layers(it: Between) -> dict[str, Any]:
    return {"n_modes": it.modes, "hidden_channels": it.width, "n_layers": LAYERS}


def _seeded(it: Between, network: Any, sizes: dict[str, Any]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(it.seed)
        made: nn.Module = network(in_channels=it.inputs, out_channels=it.outputs, positional_embedding="grid", **sizes)
    return made


def _models(operator: str) -> ModuleType:
    try:
        import neuralop.models  # late: an extra
    except ImportError as error:
        raise missing(operator, "neuraloperator", "neuraloperator") from error
    models: ModuleType = neuralop.models
    return models
