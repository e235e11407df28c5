"""Which parts each loss term trains, and how strongly: the check before training, and a figure in the logs."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.errors import UserError
from upt_core.loss_bundle import LossBundle
from upt_core.precision import Precision, autocast
from upt_core.progress import Progress
from upt_core.task_bundle import TaskBundle, in_task
from upt_core.training.mean_gradient import Mean, own_rows


def gradient_norms(
    bundle: LossBundle | TaskBundle, batch: Batch, progress: Progress, mean: Mean = own_rows
) -> dict[str, dict[str, float]]:
    """term → part → norm of the unweighted term's gradient; parts that a term does not reach are left out.

    All terms are evaluated on one step, in the order of training: whatever one does to the step, the others meet.
    """
    own = bundle.parts[batch.task]
    step = own.step(batch, progress)
    values = {term.name: own.evaluate(term, step) for term in own.in_order}
    return {in_task(batch.task, term.name): _norms(own, values[term.name], mean) for term in own.terms}


def _norms(bundle: LossBundle, value: Tensor, mean: Mean) -> dict[str, float]:
    named = [(name, p) for name, p in bundle.model.named_parameters() if p.requires_grad]
    if not value.requires_grad or not named:
        return {}
    # The graph stays: all terms stand on one step, and the next one goes back through the same encoding.
    gradients = torch.autograd.grad(value, [p for _, p in named], allow_unused=True, retain_graph=True)
    squares: dict[str, Tensor] = {}
    reached = [
        (name, gradient.float()) for (name, _), gradient in zip(named, gradients, strict=True) if gradient is not None
    ]
    if not reached:
        return {}
    for (name, _), gradient in zip(reached, mean([gradient for _, gradient in reached]), strict=True):
        part = name.partition(".")[0]
        squares[part] = squares.get(part, torch.zeros((), device=gradient.device)) + gradient.square().sum()
    return {part: float(square.sqrt()) for part, square in squares.items()}


def check_reach(
    bundle: LossBundle | TaskBundle, batch: Batch, precision: Precision = "fp32"
) -> dict[str, dict[str, float]]:
    """The gradient norms before training, in the precision of training.

    Raises:
        UserError: a term reaches no trainable parameter, so it would cost time and change nothing.
    """
    was_training = bundle.training
    bundle.eval()  # adaptive samplers learn nothing from the check
    try:
        with autocast(batch.input_BNC.device, precision):
            norms = gradient_norms(bundle, batch, Progress())
    finally:
        bundle.train(was_training)
    for name, reached in norms.items():
        if not reached:
            raise UserError(
                f"losses.{name}: this term reaches no trainable parameter of encoder, approximator or decoder, so it "
                f"would train nothing; remove it, or unfreeze a part that it depends on"
            )
    return norms


def gradient_shares(norms: dict[str, dict[str, float]], weights: dict[str, float]) -> dict[str, float]:
    """Each term's share of the sum of weighted gradient norms, over all parts together."""
    sizes = {
        name: abs(weights.get(name, 0.0)) * sum(value * value for value in parts.values()) ** 0.5
        for name, parts in norms.items()
    }
    total = sum(sizes.values())
    return {name: size / total if total > 0 else 0.0 for name, size in sizes.items()}
