"""Checks an encoder against the contract of ``upt_core.Encoder``; for its author's own tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from upt_core.model import Encoder
from upt_core.specs import DataSpec, LatentSpec
from upt_core.testing.alone import alone
from upt_core.testing.declared import Kind
from upt_core.testing.failure import require, require_maker
from upt_core.testing.made_up_data import Case, grid, latent_spec, scattered
from upt_core.testing.parts import Inputs, Trial, check_part, near

MakeEncoder = Callable[[DataSpec, LatentSpec], Encoder]


def check_encoder(
    make: MakeEncoder,
    *,
    axes: Sequence[int] = (1, 2, 3),
    takes: Sequence[Kind] = ("grid", "scattered", "padded"),
    order_matters: bool = True,
    on_lattice: bool = False,
) -> None:
    """Raises unless an encoder keeps the contract, on grids of 1 to 3 axes, scattered points and padded rows.

    Checked are: (B, L, D) as the LatentSpec says (5 tokens of width 16, or a lattice), float32 and finite; a gradient
    for every parameter; that rows of a batch do not influence each other; that an answer repeats in evaluation mode,
    survives ``state_dict`` and stands bfloat16 autocast; that padding changes nothing, so that a sample alone has the
    latent that it has in any padded batch; that ``needs_grid`` is true.

    Args:
        make: makes the encoder of a DataSpec and a LatentSpec: the class itself, or a function that adds parameters.
        axes: the numbers of coordinate axes that it is for.
        takes: the kinds of points; of an encoder with ``needs_grid`` only "grid" is tried.
        order_matters: False declares that the latent does not depend on the order of scattered points.
        on_lattice: True declares that its tokens keep their place, so that ``LatentSpec.lattice`` is given.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require_maker(make)
    for case in _cases(make, axes, takes, on_lattice):
        trial = _trial(make, case, on_lattice)
        check_part(trial)
        if case.lengths is not None:
            _check_padding(trial, case)
            _check_alone(trial, case)
        elif case.data.grid_shape is None and not order_matters:
            _check_order(trial)


def _cases(make: MakeEncoder, axes: Sequence[int], takes: Sequence[Kind], on_lattice: bool) -> list[Case]:
    cases = []
    for num_axes in axes:
        grids, latent = grid(num_axes), latent_spec(num_axes, on_lattice)
        encoder = make(grids.data, latent) if "grid" in takes else make(scattered(num_axes).data, latent)
        if "grid" in takes:
            cases.append(grids)
        if not encoder.needs_grid:
            cases += [scattered(num_axes)] if "scattered" in takes else []
            cases += [scattered(num_axes, padded=True)] if "padded" in takes else []
    require(
        bool(cases),
        "takes",
        f"takes={tuple(takes)} of an encoder with needs_grid = True",
        "at least one kind of points",
        'add "grid" to takes, or set needs_grid = False',
    )
    return cases


def _trial(make: MakeEncoder, case: Case, on_lattice: bool) -> Trial:
    batch, latent_shape = case.batch(), latent_spec(case.data.num_axes, on_lattice)
    points = batch.points

    def call(part: nn.Module, inputs: Inputs) -> Tensor:
        moved = points if len(inputs) == 1 else replace(points, coords_BNX=inputs[1])
        latent: Tensor = part(inputs[0], moved)
        return latent

    inputs = (batch.input_BNC,) if case.data.grid_shape else (batch.input_BNC, points.coords_BNX.contiguous())
    shape = (len(batch.input_BNC), latent_shape.tokens, latent_shape.dim)
    return Trial(str(case), lambda: make(case.data, latent_shape), call, inputs, shape)


def _check_padding(trial: Trial, case: Case) -> None:
    part = trial.part().eval()
    mask_BN = case.points().mask_BN
    assert mask_BN is not None
    changed = tuple(value.where(mask_BN.unsqueeze(-1), value * 0.3 + 0.4) for value in trial.inputs)
    first, second = trial.answer(part), trial.answer(part, changed)
    require(
        near(first, second),
        "padding",
        f"the latent changes by {(first - second).abs().max().item():.2g} when values and coordinates of padding "
        f"change, on {trial.what}",
        "a latent of the real points alone",
        "leave out points where points.mask_BN is False: in sums, means, attention and neighbourhoods",
    )


@torch.no_grad()
def _check_alone(trial: Trial, case: Case) -> None:
    part, batch = trial.part().eval(), case.batch()
    together = part(batch.input_BNC, batch.points)
    for row, length in enumerate(case.lengths or ()):
        for padded in (False, True):
            own = alone(batch, row, padded)
            latent = part(own.input_BNC, own.points)
            require(
                near(latent, together[row : row + 1]),
                "alone",
                f"the latent of the sample with {length} points changes by "
                f"{(latent - together[row : row + 1]).abs().max().item():.2g} when it is encoded by itself, "
                f"{'padded' if padded else 'without padding'}, on {trial.what}",
                "the latent that it has in any padded batch",
                "use the real points alone: divide by points.length_B1, take boxes and orders where points.mask_BN is "
                "True, and get results that depend on the points of a sample through Encoder.needs",
            )


def _check_order(trial: Trial) -> None:
    part = trial.part().eval()
    order = torch.randperm(trial.inputs[0].shape[1], generator=torch.Generator().manual_seed(0))
    first, second = trial.answer(part), trial.answer(part, tuple(value[:, order] for value in trial.inputs))
    require(
        near(first, second),
        "order",
        f"the latent changes by {(first - second).abs().max().item():.2g} when points change places, on {trial.what}",
        "a latent that does not depend on the order of points, as order_matters=False declares",
        "pool with sums, means or attention, without positions in the sequence; or leave order_matters out",
    )
