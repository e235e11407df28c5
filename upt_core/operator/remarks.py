"""What is worth knowing of an input before its answer is trusted: where it is unlike what training saw."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from upt_core.data.normalize import TIME_STEP
from upt_core.data.training_data import TrainingData, grid_coords
from upt_core.model import Encoder
from upt_core.specs import DataSpec, FieldSpec

SLACK = 0.25
"""Values may leave the range of training by this part of its width before a remark is made."""
SHIFTED = 0.05
"""A grid may lie so many of its spacings from that of training before a remark is made."""


def on_fields(value_MC: Tensor, data: DataSpec, training: TrainingData) -> Iterator[str]:
    """Remarks on values of the input fields, (M, frame channels) in physical units."""
    for field in data.inputs:
        own = value_MC[:, data.channels_of(field.name, data.inputs)].detach().double().cpu()
        yield from _on_field(field, own, training, data.channels_of(field.name))


def on_given(value_MC: Tensor, data: DataSpec, training: TrainingData) -> Iterator[str]:
    """Remarks on values of the given fields at later steps, (M, their channels) in physical units."""
    for field in data.given:
        own = value_MC[:, data.channels_of(field.name, data.given)].detach().double().cpu()
        for text in _on_field(field, own, training, data.channels_of(field.name)):
            yield f"at later steps {text}"


def _on_field(field: FieldSpec, value_MC: Tensor, training: TrainingData, channels: slice) -> Iterator[str]:
    low_C, high_C = training.low_C[channels], training.high_C[channels]
    slack_C = SLACK * (high_C - low_C) + 1e-6 * torch.maximum(low_C.abs(), high_C.abs())
    own_low_C, own_high_C = value_MC.amin(0), value_MC.amax(0)
    for channel in torch.nonzero((own_low_C < low_C - slack_C) | (own_high_C > high_C + slack_C)).flatten().tolist():
        name = field.name if field.channels == 1 else f"{field.name}[{channel}]"
        yield (
            f"{name} goes from {own_low_C[channel]:.4g} to {own_high_C[channel]:.4g}; training saw "
            f"{low_C[channel]:.4g} to {high_C[channel]:.4g}"
        )


def on_points(num: int, coords_NX: Tensor, data: DataSpec, training: TrainingData) -> Iterator[str]:
    """Remarks on the points at which the input is given."""
    least, most = training.num_points
    if not least <= num <= most:
        saw = str(least) if least == most else f"{least} to {most}"
        yield f"the input has {num} points; training saw {saw}"
    yield from on_box(coords_NX, data, "the input has points")


def on_box(coords_NX: Tensor, data: DataSpec, what: str) -> Iterator[str]:
    """Remarks on points outside the box that training was scaled by; a periodic axis has no outside."""
    assert data.origin is not None
    low_X = torch.tensor(data.origin, dtype=torch.float64)
    extent_X = torch.tensor(data.extent, dtype=torch.float64)
    outside = (coords_NX < low_X - 1e-6 * extent_X) | (coords_NX > low_X + extent_X * (1 + 1e-6))
    outside &= ~torch.tensor(data.periodic)
    if bool(outside.any()):
        box = " x ".join(f"[{a:g}, {a + e:g}]" for a, e in zip(data.origin, data.extent, strict=True))
        yield f"{what} outside the box of training, {box}: {int(outside.any(-1).sum())} of {len(coords_NX)}"


def on_place(
    coords_NX: Tensor, shape: tuple[int, ...] | None, encoder: Encoder, data: DataSpec, training: TrainingData
) -> Iterator[str]:
    """Remarks on a grid, row-major, that lies elsewhere in the box than that of training, where the encoder minds."""
    if shape is None or not encoder.needs_grid or encoder.resamples or training.ends is None:
        return
    spacing_X = torch.tensor(data.extent, dtype=torch.float64) / torch.tensor(shape)
    off = float(((coords_NX.cpu().double() - grid_coords(shape, data, training.ends)).abs() / spacing_X).max())
    if off > SHIFTED:
        yield (
            f"the grid of the input is shifted by {off:.2g} spacings from the training grid, and "
            f"{type(encoder).__name__} was trained only at that position: the prediction will be shifted; give values "
            "at the points of the training grid, or train with the encoder patches, which resamples"
        )


def on_conditions(condition_MP: Tensor | None, data: DataSpec, training: TrainingData) -> Iterator[str]:
    """Remarks on conditioning values (M, P) in physical units."""
    if condition_MP is None:
        return
    for name, value in zip(data.condition, condition_MP.detach().T, strict=True):  # its gradient is the caller's matter
        known = training.time_step if name == TIME_STEP else training.condition.get(name)
        low, high = known or (float("-inf"), float("inf"))
        slack = 1e-6 * max(abs(low), abs(high)) if known else 0.0
        if float(value.min()) < low - slack or float(value.max()) > high + slack:
            given = f"{float(value.min()):.4g}" if len(value) == 1 else f"{value.min():.4g} to {value.max():.4g}"
            yield f"{name} is {given}; training saw {low:.4g} to {high:.4g}"
