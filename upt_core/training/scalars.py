"""What listeners are told in numbers, after a step of the optimizers and after an epoch."""

from __future__ import annotations

from dataclasses import replace

from upt_core.progress import Progress
from upt_core.training.measures import Scalars, measures_of_epoch
from upt_core.training.stepping import Update
from upt_core.training.whole import Whole


def scalars_of_step(whole: Whole, done: Update) -> Scalars:
    """Losses, weights, learning rate and the gradient's norm of a step; waits for the device."""
    losses = done.losses
    values = {} if losses.total is None else {"loss/total": float(losses.total.detach())}
    values.update({f"loss/{name}": float(value.detach()) for name, value in losses.values.items()})
    scalars = {"lr": whole.optimization.lr, **whole.processes.mean(values, done.share)}
    scalars.update({f"weight/{name}": weight for name, weight in whole.bundle.weights(done.progress).items()})
    if done.norm is not None:
        scalars["gradient_norm"] = float(done.norm)
    return scalars


def scalars_of_epoch(whole: Whole, done: Progress) -> Scalars:
    """Means, speed and measures of an epoch, or of the part of it after which training ends.

    Args:
        done: where training stands at its end, with the number of the epoch that ends.
    """
    batches = whole.batches
    first = done.epoch * batches.per_epoch
    begun = replace(done, step=first, position=float(done.epoch))
    scalars = whole.means.compute(whole.processes)
    scalars["seconds"] = whole.means.seconds
    scalars["seconds_waiting"] = whole.means.waited
    share = (done.step - first) / batches.per_epoch
    scalars["samples_per_second"] = share * batches.num_samples / max(scalars["seconds"], 1e-9)
    gradient_share, sampling_share = _shares_due(whole)
    scalars.update(measures_of_epoch(whole.setting, begun, gradient_share, sampling_share, whole.processes))
    if whole.state.skipped:
        scalars["skipped_steps"] = float(whole.state.skipped)
    return scalars


def _shares_due(whole: Whole) -> tuple[bool, bool]:
    """Whether gradient shares, and the sampling share, are measured now: after so many steps of the optimizer."""
    plan, state = whole.plan, whole.state
    first = state.updates <= whole.batches.per_epoch
    gradient = plan.gradient_share_every
    shares = bool(gradient) and (first or state.updates - state.shares_at >= gradient)
    sampling = plan.sampling_share_every
    sampled = bool(sampling) and state.updates - state.sampling_share_at >= sampling
    state.shares_at = state.updates if shares else state.shares_at
    state.sampling_share_at = state.updates if sampled else state.sampling_share_at
    return shares, sampled
