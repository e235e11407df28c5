"""Checks a loss term against the contract of ``upt_core.LossTerm``; for its author's own tests."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.model import Upt
from upt_core.step import LossTerm
from upt_core.testing.alone import alone
from upt_core.testing.failure import require, require_object
from upt_core.testing.loss_means import check_unbiased
from upt_core.testing.loss_trial import step_of, value_of
from upt_core.testing.made_up_data import Case, grid, scattered
from upt_core.testing.made_up_models import knowing_model, small_model
from upt_core.testing.measured import with_measure
from upt_core.testing.spy import watch

CASES = (
    grid(1),
    grid(2),
    grid(3),
    scattered(2),
    scattered(2, padded=True),
    scattered(3, padded=True),
    grid(2, steady=True),
)


def check_loss(term: LossTerm, *, optimum: bool = False, unbiased: bool = False, over_space: bool = True) -> None:
    """Raises unless a loss term keeps the contract, on grids of 1 to 3 axes, scattered points and padded rows.

    The fields are the scalar ``u`` and, with 2 axes, the vector ``velocity``. Data that the term refuses in
    ``check_data`` are left out; one must be left. Checked are: a finite float32 scalar, under bfloat16 autocast too;
    that it is the same twice; that no value is read on the host after the first call; that its gradient is finite,
    where every prediction is true as well, and reaches a parameter of the model; that the batch is left as it was;
    that fields of zeros give no NaN; that a sample alone has the value that it has in any padded batch, of which the
    term takes the mean over samples; that means are over space where points have a measure; and what is declared.

    Args:
        term: the term.
        optimum: declares that the value is 0, and not otherwise, where every prediction and reconstruction is true.
        unbiased: declares that the value at query points, averaged over draws of a sampler with any weights, is the
            value at all points; and that the term reports its pointwise values, which ``step.mean`` does. A term with
            ``pointwise = False`` takes no sampler and declares nothing.
        over_space: False declares that each point counts the same whatever its cell.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require_object(term)
    cases = _accepted(term)
    for case in cases:
        batch = _batch(term, case)
        _check_value(term, case, batch)
        _check_waits(term, case, batch)
        _check_gradient(term, case, batch)
        _check_gradient_of_truth(term, case, batch)
        _check_zeros(term, case, batch)
        if case.lengths is not None:
            _check_alone(term, case, batch)
        if optimum:
            _check_optimum(term, case, batch)
        if unbiased:
            check_unbiased(term, case, batch)
    for case in cases if over_space else ():
        if case.data.grid_shape is None and case.lengths is None:
            _check_space(term, case, _batch(term, case))


def _batch(term: LossTerm, case: Case) -> Batch:
    """A batch as a run reads it for the term."""
    batch = case.batch(max(1, term.horizon))
    return batch if term.needs_reference else replace(batch, reference_BNC=None)


def _accepted(term: LossTerm) -> list[Case]:
    """The cases whose data the term takes."""
    accepted, refusals = [], []
    for case in CASES:
        if case.data.steady and term.horizon > 1:
            continue
        try:
            term.check_data(case.data)
            accepted.append(case)
        except ValueError as refusal:
            refusals.append(f"{case}: {refusal}")
    require(
        bool(accepted),
        "data",
        "check_data() refuses all data: " + "; ".join(refusals),
        "at least one of: a grid of 1 to 3 axes, scattered points, a steady problem, with fields u and velocity",
        "use these fields' names in the test, and refuse only what cannot work",
    )
    return accepted


def _check_value(term: LossTerm, case: Case, batch: Batch) -> None:
    before = batch.input_BNC.clone(), batch.target_BTNC.clone()
    model, state = small_model(case.data), torch.get_rng_state()
    value = value_of(term, step_of(model, batch, case), case)
    is_tensor = isinstance(value, Tensor)
    require(
        is_tensor and value.dim() == 0,
        "scalar",
        f"{f'a tensor of shape {tuple(value.shape)}' if is_tensor else repr(value)} on {case}",
        "a tensor without axes",
        "end with step.mean(value_BQ), which applies the weights of the query points",
    )
    require(value.dtype == torch.float32, "type", f"{value.dtype} on {case}", "torch.float32", "compute in float32")
    _finite(value, f"on {case}")
    _check_repeatable(term, case, batch, model, value)
    require(
        torch.equal(state, torch.get_rng_state()),
        "global random state",
        f"the term advanced it on {case}",
        "a term that draws no random numbers",
        "ask the step for query points: step.queries()",
    )
    require(
        torch.equal(before[0], batch.input_BNC) and torch.equal(before[1], batch.target_BTNC),
        "batch",
        f"the term changed the batch's fields on {case}",
        "a batch that other terms can still use",
        "use no in-place operation (sub_, clamp_, …) on tensors from the step",
    )


def _check_repeatable(term: LossTerm, case: Case, batch: Batch, model: Upt, value: Tensor) -> None:
    again = value_of(term, step_of(model, batch, case), case)
    require(
        bool(again == value),
        "repeatable",
        f"{again.item()} after {value.item()} on the same step of {case}",
        "the same value: a term has no memory and draws no random numbers",
        "ask the step for query points; keep no state in the term",
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = value_of(term, step_of(model, batch, case), case)
    require(
        half.dtype == torch.float32 and bool(half.isfinite()),
        "bfloat16",
        f"{half.item()} of type {half.dtype} under autocast to bfloat16 on {case}",
        "a finite float32: losses are reduced in float32",
        "call .float() on latents before reducing; step.mean does it for you",
    )


def _check_waits(term: LossTerm, case: Case, batch: Batch) -> None:
    """After a first call, which may look at the data once."""
    step = step_of(small_model(case.data), batch, case)
    spy = watch(lambda: value_of(term, step, case))
    require(
        not spy.waits,
        "no waiting",
        f"the term reads values on the device on {case}: {', '.join(dict.fromkeys(spy.waits))}",
        "tensor operations alone: on CUDA each read waits for the device",
        "avoid .item(), float(tensor), if tensor, nonzero and selecting by a mask; use where() and products with a "
        "mask",
    )


def _finite(value: Tensor, where: str) -> None:
    require(
        bool(value.isfinite()),
        "finite",
        f"{value.item()} {where}",
        "a finite number",
        "guard divisions, roots and logarithms against 0",
    )


def _check_gradient(term: LossTerm, case: Case, batch: Batch) -> None:
    model = small_model(case.data)
    value = value_of(term, step_of(model, batch, case), case)
    require(
        value.requires_grad,
        "gradient",
        f"the value has no gradient on {case}",
        "a value that can be differentiated with respect to the model's parameters",
        "remove .detach(), .item() and torch.no_grad() between the step and the result",
    )
    value.backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    _check_gradients_finite(gradients, case)
    require(
        any(bool(gradient.any()) for gradient in gradients.values()),
        "reaches parameters",
        f"no gradient, or only zeros, at any parameter of encoder, approximator and decoder on {case}",
        "at least one parameter that the term can train",
        "compute the value from step.predicted, step.reconstructed or step.latent, not from true fields alone",
    )


def _check_gradient_of_truth(term: LossTerm, case: Case, batch: Batch) -> None:
    """Where every prediction is true: roots and norms have a kink there, and training comes near it."""
    model = knowing_model(batch, case.data)
    value = value_of(term, step_of(model, batch, case), case)
    if value.requires_grad:
        value.backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    _check_gradients_finite(gradients, f"{case} where every prediction equals the truth")


def _check_gradients_finite(gradients: dict[str, Tensor], case: Case | str) -> None:
    bad = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
    require(
        not bad,
        "finite gradient",
        f"the gradient of {', '.join(bad)} is not finite on {case}",
        "finite gradients",
        "add a small number inside roots and quotients: √x has no derivative at 0",
    )


def _check_zeros(term: LossTerm, case: Case, batch: Batch) -> None:
    """Fields that are zero everywhere, as before an inflow arrives."""
    empty = Batch(
        torch.zeros_like(batch.input_BNC),
        torch.zeros_like(batch.target_BTNC),
        batch.points,
        batch.condition_BTP,
        None if batch.reference_BNC is None else torch.zeros_like(batch.reference_BNC),
    )
    model = small_model(case.data)
    value = value_of(term, step_of(model, empty, case), case)
    where = f"{case} with fields that are 0 everywhere"
    _finite(value, f"on {where}")
    value.backward()  # type: ignore[no-untyped-call]
    _check_gradients_finite({n: p.grad for n, p in model.named_parameters() if p.grad is not None}, where)


@torch.no_grad()
def _check_alone(term: LossTerm, case: Case, batch: Batch) -> None:
    model = small_model(case.data)
    together = value_of(term, step_of(model, batch, case), case).item()
    for padded in (False, True):
        rows = [alone(batch, row, padded) for row in range(len(batch.input_BNC))]
        mean = sum(value_of(term, step_of(model, row, case), case).item() for row in rows) / len(rows)
        require(
            abs(mean - together) <= 1e-4 * abs(together) + 1e-6,
            "alone",
            f"{together:.6g} of a batch, {mean:.6g} on average over its samples by themselves, "
            f"{'padded' if padded else 'without padding'}, on {case}",
            "equal values: the value of a sample must depend neither on padding nor on the other samples",
            "take the mean over the real points of each sample, which step.mean does, and then over samples",
        )


@torch.no_grad()
def _check_space(term: LossTerm, case: Case, batch: Batch) -> None:
    model = small_model(case.data)
    measured, repeated = (value_of(term, step_of(model, own, case), case).item() for own in with_measure(batch))
    require(
        abs(measured - repeated) <= 1e-4 * abs(repeated) + 1e-6,
        "space",
        f"{measured:.6g} with points of measure 1 to 3, {repeated:.6g} with each point repeated that often instead, "
        f"on {case}",
        "equal values: where points have a measure (the area or volume of their cells), means are over space",
        "take means with step.mean, or multiply by the weights of step.all_queries() before a mean over points; or "
        "declare over_space=False",
    )


@torch.no_grad()
def _check_optimum(term: LossTerm, case: Case, batch: Batch) -> None:
    best = value_of(term, step_of(knowing_model(batch, case.data), batch, case), case).item()
    other = value_of(term, step_of(small_model(case.data), batch, case), case).item()
    require(
        abs(best) < 1e-5 and other > 1e-4,
        "optimum",
        f"{best:.3g} where every prediction equals the truth, {other:.3g} for an untrained model, on {case}",
        "0 where every prediction equals the truth, more otherwise",
        "compare prediction and truth of the same field, time step and query points; leave optimum out if the term "
        "measures something else",
    )
