"""How much of the mini-batch gradient's variance is due to point sampling at all: the most a sampler can ever save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.loss_bundle import LossBundle
from upt_core.progress import Progress
from upt_core.training.mean_gradient import Mean, own_rows

_FIRST_RANK = 1 << 20
"""Draws are told apart by the rank, which changes nothing but query points; real ranks are smaller."""


def sampling_share(
    bundle: LossBundle,
    batches: Sequence[Batch],
    progress: Progress,
    num_draws: int = 4,
    means: Sequence[Mean] = (),
) -> dict[str, float]:
    """Variance components of the gradient of the total: between draws of query points, and between batches.

    One-way random effects (R. A. Fisher's analysis of variance) over the whole gradient vector, ``num_draws`` draws
    for each batch: with the mean squares W within and A among batches, the variance between draws is W, that between
    batches max(0, (A - W) / draws), and the share W / (W + that). Costs a forward and a backward pass for each batch
    and draw, and memory for two gradients. The bundle is left as it was; adaptive samplers learn nothing from it.

    Args:
        bundle: model, terms and their samplers, on the device of the batches.
        batches: of the training split, at least 2; 4 to 8 give the share within about a tenth.
        progress: what is due, and with which weights, is decided here; query points differ from those of training.
        num_draws: at least 2.
        means: of each batch, over the rows of all processes; none: one process has them all.

    Returns:
        share (0 = no sampler can help, 1 = all noise is sampling), between_draws and between_batches (variances).
        Empty where no term is due.

    Raises:
        ValueError: fewer than 2 batches or draws.
    """
    if len(batches) < 2 or num_draws < 2:
        raise ValueError(
            f"sampling_share compares draws and batches: it needs at least 2 of each, "
            f"but got {num_draws} draws of {len(batches)} batches"
        )
    if not bundle.due(progress):
        return {}
    was_training = bundle.training
    bundle.eval()
    try:
        within, among = _mean_squares(bundle, batches, progress, num_draws, means or [own_rows] * len(batches))
    finally:
        bundle.train(was_training)
    between_batches = max(0.0, (among - within) / num_draws)
    total = within + between_batches
    return {
        "share": within / total if total > 0 else 0.0,
        "between_draws": within,
        "between_batches": between_batches,
    }


def _mean_squares(
    bundle: LossBundle, batches: Sequence[Batch], progress: Progress, num_draws: int, means: Sequence[Mean]
) -> tuple[float, float]:
    """Mean squares within and among batches, from sums of gradients and of their squared lengths."""
    squares, squares_of_sums = 0.0, 0.0
    total: list[Tensor] | None = None
    first = _FIRST_RANK * (1 + progress.rank)  # each process draws its own points on its rows
    for number, (batch, mean) in enumerate(zip(batches, means, strict=True)):
        own: list[Tensor] | None = None
        for draw in range(num_draws):
            gradient = mean(_gradient(bundle, batch, replace(progress, rank=first + number * num_draws + draw)))
            squares += _square(gradient)
            own = gradient if own is None else [a + b for a, b in zip(own, gradient, strict=True)]
        assert own is not None
        squares_of_sums += _square(own)
        total = own if total is None else [a + b for a, b in zip(total, own, strict=True)]
    assert total is not None
    within = (squares - squares_of_sums / num_draws) / (len(batches) * (num_draws - 1))
    among = (squares_of_sums - _square(total) / len(batches)) / (num_draws * (len(batches) - 1))
    return max(0.0, within), max(0.0, among)


def _gradient(bundle: LossBundle, batch: Batch, progress: Progress) -> list[Tensor]:
    """The gradient of the total in float64, in which sums of squares keep their digits."""
    parameters = [p for p in bundle.parameters() if p.requires_grad]
    total = bundle(batch, progress).total
    found = torch.autograd.grad(total, parameters, allow_unused=True)
    return [torch.zeros_like(p).double() if g is None else g.double() for p, g in zip(parameters, found, strict=True)]


def _square(vector: list[Tensor]) -> float:
    return float(torch.stack([part.square().sum() for part in vector]).sum())
