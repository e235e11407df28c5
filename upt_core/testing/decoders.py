"""Checks a decoder against the contract of ``upt_core.Decoder``; for its author's own tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from upt_core.model import Decoder
from upt_core.specs import DataSpec, LatentSpec
from upt_core.testing.failure import require, require_maker
from upt_core.testing.made_up_data import BATCH, Case, grid, latent_spec, scattered
from upt_core.testing.parts import Inputs, Trial, check_part, near

MakeDecoder = Callable[[DataSpec, LatentSpec], Decoder]
_QUERIES = 12


def check_decoder(make: MakeDecoder, *, axes: Sequence[int] = (1, 2, 3), on_lattice: bool = False) -> None:
    """Raises unless a decoder keeps the contract, with 1 to 3 coordinate axes.

    Checked are: (B, Q, C) with all channels of ``DataSpec.fields``, for any Q from 1 on, float32 and finite; a
    gradient for every parameter and for the coordinates; that rows of a batch and query points do not influence each
    other; that an answer repeats in evaluation mode, survives ``state_dict`` and stands bfloat16 autocast.

    Args:
        make: makes the decoder of a DataSpec and a LatentSpec: the class itself, or a function that adds parameters.
        axes: the numbers of coordinate axes that it is for.
        on_lattice: True declares that it needs tokens that keep their place, so that ``LatentSpec.lattice`` is given.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require_maker(make)
    for num_axes in axes:
        for case in (grid(num_axes), scattered(num_axes)):
            trial = _trial(make, case, latent_spec(num_axes, on_lattice))
            check_part(trial)
            _check_points(trial)
            _check_coordinates(trial)


def _trial(make: MakeDecoder, case: Case, latent: LatentSpec) -> Trial:
    rng = torch.Generator().manual_seed(1)
    latent_BLD = torch.randn(BATCH, latent.tokens, latent.dim, generator=rng)
    coords_BQX = torch.rand(BATCH, _QUERIES, case.data.num_axes, generator=rng)

    def call(part: nn.Module, inputs: Inputs) -> Tensor:
        decoded: Tensor = part(*inputs)
        return decoded

    what = f"{_QUERIES} query points, data: {case}"
    return Trial(
        what, lambda: make(case.data, latent), call, (latent_BLD, coords_BQX), (BATCH, _QUERIES, case.data.channels)
    )


def _check_points(trial: Trial) -> None:
    part = trial.part().eval()
    latent_BLD, coords_BQX = trial.inputs
    together = trial.answer(part)
    for number, chosen in ((1, slice(1)), (5, slice(5)), (3, slice(-3, None))):
        alone = trial.answer(part, (latent_BLD, coords_BQX[:, chosen]))
        require(
            alone.shape[1] == number and near(alone, together[:, chosen]),
            "points",
            f"{number} query points get another result alone than together with others, data: {trial.what}",
            "a result at each query point that does not depend on the other query points",
            "let query points attend to latent tokens only, and normalise over channels only",
        )
    shared = trial.answer(part, (latent_BLD, coords_BQX[:1].expand(BATCH, -1, -1)))
    require(
        near(shared[:1], together[:1]),
        "shared coordinates",
        f"another result when rows share the memory of their coordinates (stride 0), {trial.what}",
        "the same result",
        "use reshape or contiguous instead of view and as_strided on the coordinates",
    )


def _check_coordinates(trial: Trial) -> None:
    coords_BQX = trial.inputs[1].clone().requires_grad_()
    value = trial.answer(trial.part(), (trial.inputs[0], coords_BQX))
    slope = torch.autograd.grad(value.sum(), coords_BQX, allow_unused=True)[0] if value.requires_grad else None
    require(
        slope is not None and bool(slope.isfinite().all()) and bool(slope.any()),
        "coordinates",
        f"no finite derivative of the result with respect to the coordinates, {trial.what}",
        "fields that vary in space and have derivatives (the term divergence needs them)",
        "use the coordinates through differentiable operations: no rounding, no detach",
    )
