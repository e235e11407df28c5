"""Given fields, inputs that are not predicted, at the steps of a rollout: a user's arrays → tensors of the batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from upt_core.errors import DataError
from upt_core.operator.arrays import Input, Values, read_values
from upt_core.operator.rollout import Space
from upt_core.specs import DataSpec, FieldSpec


def read_given(
    given: Mapping[str, Values] | None, value: Input, data: DataSpec, steps: int, space: Space
) -> Tensor | None:
    """given_BTNC at the predicted steps in physical units; None: they stay as the input has them.

    Args:
        given: name → values (T, *points) at the T predicted steps, with an axis of samples before and one of channels
            after where there are any. Those of the last step are never seen, so T - 1 steps do. Fields that are not
            named stay as they are.
        value: the input, at whose points they are.

    Raises:
        DataError: a name or a shape is wrong, or the rollout sees no given fields after its input.
    """
    if not given:
        return None
    names = [field.name for field in data.given]
    unknown = [name for name in given if name not in names]
    if unknown:
        raise DataError(
            f"there is no given field {', '.join(unknown)}; the given fields of the operator: "
            f"{', '.join(names) or 'none'}"
        )
    if space == "latent" or steps == 1:
        why = "in latent space" if space == "latent" else "of one step"
        raise DataError(
            f"a rollout {why} encodes only its input, so given fields of later steps are never used; roll out in "
            "physical space over several steps, or leave them out"
        )
    now_BNC = data.last_frame(value.value_BNC)
    parts = [
        _at_steps(given[field.name], field, value, steps)
        if field.name in given
        else now_BNC[..., data.channels_of(field.name, data.inputs)].unsqueeze(1).expand(-1, steps, -1, -1)
        for field in data.given
    ]
    return torch.cat([part.to(now_BNC) for part in parts], dim=-1)


def _at_steps(values: Values, field: FieldSpec, value: Input, steps: int) -> Tensor:
    """One given field at the steps, (B, T, N, C)."""
    found = read_values(values, f"given field {field.name!r}")
    samples, shape = len(value.value_BNC), value.layout.shape or (value.value_BNC.shape[1],)
    alone = 1 + len(shape)
    if field.channels == 1 and not (found.dim() > alone and found.shape[-1] == 1):
        found = found.unsqueeze(-1)
    whole = found if found.dim() == alone + 2 else found.unsqueeze(0)
    fits = whole.dim() == alone + 2 and whole.shape[0] in (1, samples) and whole.shape[1] in (steps - 1, steps)
    if not fits or tuple(whole.shape[2:]) != (*shape, field.channels):
        points = " x ".join(map(str, shape))
        raise DataError(
            f"given field {field.name!r} has the shape {tuple(found.shape)}; expected ({steps} steps, {points} points, "
            f"{field.channels} channels), or the same for each of {samples} samples"
        )
    at_BTNC = whole.flatten(2, -2).expand(samples, -1, -1, -1)
    return at_BTNC if whole.shape[1] == steps else torch.cat([at_BTNC, at_BTNC[:, -1:]], dim=1)
