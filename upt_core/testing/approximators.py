"""Checks an approximator against the contract of ``upt_core.Approximator``; for its author's own tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from upt_core.model import Approximator
from upt_core.specs import DataSpec, LatentSpec
from upt_core.testing.failure import require, require_maker
from upt_core.testing.made_up_data import BATCH, CONDITION, grid, latent_spec
from upt_core.testing.parts import Inputs, Trial, check_part, near

MakeApproximator = Callable[[DataSpec, LatentSpec], Approximator]
_MOVE = 0.1


def check_approximator(
    make: MakeApproximator,
    *,
    axes: Sequence[int] = (1, 2, 3),
    conditions: Sequence[tuple[str, ...]] = ((), CONDITION),
    order_matters: bool = True,
    on_lattice: bool = False,
    uses_conditions: bool = True,
) -> None:
    """Raises unless an approximator keeps the contract, with and without conditioning values.

    Checked are: (B, L, D) → (B, L, D), float32 and finite; a gradient for every parameter; that rows of a batch do not
    influence each other; that an answer repeats in evaluation mode, survives ``state_dict`` and stands bfloat16
    autocast; that each conditioning value has an effect of
    its own, at weights other than the first.

    Args:
        make: makes the approximator of a DataSpec and a LatentSpec: the class itself, or a function that adds
            parameters.
        axes: the numbers of coordinate axes that it is for.
        conditions: names of the conditioning values of the data it is tried on; () = none, it is then given None.
        order_matters: False declares that latent tokens which change places change places in the answer.
        on_lattice: True declares that it needs tokens that keep their place, so that ``LatentSpec.lattice`` is given.
        uses_conditions: False declares that the conditioning values have no effect.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require_maker(make)
    for num_axes in axes:
        for condition in conditions:
            trial = _trial(make, num_axes, condition, latent_spec(num_axes, on_lattice))
            check_part(trial)
            if not order_matters:
                _check_order(trial)
            if uses_conditions and condition:
                _check_conditions(trial, condition)


def _trial(make: MakeApproximator, num_axes: int, condition: tuple[str, ...], latent: LatentSpec) -> Trial:
    data = grid(num_axes, condition).data
    rng = torch.Generator().manual_seed(1)
    latent_BLD = torch.randn(BATCH, latent.tokens, latent.dim, generator=rng)
    values = (torch.rand(BATCH, len(condition), generator=rng),) if condition else ()

    def call(part: nn.Module, inputs: Inputs) -> Tensor:
        result: Tensor = part(inputs[0], inputs[1] if len(inputs) > 1 else None)
        return result

    what = f"latents of data with {num_axes} axes, conditions: {', '.join(condition) or 'none'}"
    return Trial(what, lambda: make(data, latent), call, (latent_BLD, *values), tuple(latent_BLD.shape))


def _check_order(trial: Trial) -> None:
    part = trial.part().eval()
    order = torch.randperm(trial.inputs[0].shape[1], generator=torch.Generator().manual_seed(0))
    moved = (trial.inputs[0][:, order], *trial.inputs[1:])
    first, second = trial.answer(part)[:, order], trial.answer(part, moved)
    require(
        near(first, second),
        "order",
        f"the answer changes by {(first - second).abs().max().item():.2g} when latent tokens change places, on "
        f"{trial.what}",
        "tokens that also change places in the result, as order_matters=False declares",
        "do not use positions in the sequence; or leave order_matters out",
    )


def _check_conditions(trial: Trial, names: tuple[str, ...]) -> None:
    """At weights moved at random: a condition may well start without effect (adaptive layer norm from zero)."""
    part = trial.part().eval()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(_MOVE * torch.randn(parameter.shape, generator=rng).to(parameter))
    first = trial.answer(part)
    for what, moved in _moves(trial.inputs[1], names).items():
        require(
            not near(first, trial.answer(part, (trial.inputs[0], moved))),
            "conditions",
            f"the result does not change {what}, for any weights, on {trial.what}",
            "a result that depends on each conditioning value, of which the time step is one",
            "use every column of condition_BP, each with its own weights; if the approximator ignores them on "
            "purpose, pass uses_conditions=False to the check",
        )


def _moves(condition_BP: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
    """What happens to the conditioning values → their new values."""
    moves = {}
    for number, name in enumerate(names):
        moves[f"with {name}"] = condition_BP.clone()
        moves[f"with {name}"][:, number] += 1.0
    if len(names) > 1:
        moves[f"when {' and '.join(names)} grow together"] = condition_BP + 1.0
        moves[f"when {' and '.join(names)} exchange their values"] = condition_BP.flip(1)
    return moves
