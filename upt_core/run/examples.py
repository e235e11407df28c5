"""Example predictions of a run, as arrays that can be plotted without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from upt_core.data.loader import Batches
from upt_core.operator.evaluate import Predictor
from upt_core.specs import FieldSpec

EXAMPLES = "examples.npz"


@torch.no_grad()
def write_examples(
    folder: Path, predict: Predictor, batches: Batches, device: torch.device, task: str = "", number: int = 4
) -> Path:
    """Inputs, targets and predictions of evenly spaced samples of a split, in physical units.

    The arrays: input (n, N, C), target and prediction (n, T, N, C), coords (n, N, X) in the unit box, lengths (n,),
    extent (X,), grid_shape (X or 0,), input_names and target_names (one a channel).

    Args:
        task: of several; its examples go to a file of its own, ``examples-TASK.npz``.
    """
    windows = batches.windows
    chosen = torch.linspace(0, len(windows) - 1, min(number, len(windows))).round().long().tolist()
    batch = batches.collate([windows[i] for i in chosen]).to(device)
    scale = batches.normalization.on(device)
    path = folder / (f"examples-{task}.npz" if task else EXAMPLES)
    np.savez_compressed(
        path,
        input=_numpy(batches.data.last_frame(scale.inputs_to_physical(batch.input_BNC))),
        target=_numpy(scale.to_physical(batch.target_BTNC)),
        prediction=_numpy(scale.to_physical(predict(batch))),
        coords=_numpy(batch.points.coords_BNX),
        lengths=np.array(batch.points.lengths or [batch.points.num_points] * len(chosen)),
        extent=np.array(batches.data.extent),
        grid_shape=np.array(batches.data.grid_shape or (), dtype=np.int64),
        input_names=np.array(_names(batches.data.inputs)),
        target_names=np.array(_names(batches.data.targets)),
    )
    return path


def _numpy(value: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return value.float().cpu().numpy()


def _names(fields: tuple[FieldSpec, ...]) -> list[str]:
    return [f.name if f.channels == 1 else f"{f.name}[{i}]" for f in fields for i in range(f.channels)]
