"""Parts that are computed again in the backward pass: the same losses and gradients, less memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from upt_core import Experiment, Progress

Tiny = Callable[..., Experiment]
ROLLOUT = {"name": "rollout", "steps": 3}


def gradients(experiment: Experiment) -> tuple[float, list[Tensor], int]:
    """The total, the gradient and how many values are kept for the backward pass, of the first batch."""
    built, kept = experiment.build(), []
    torch.manual_seed(0)

    def keep(value: Tensor) -> Tensor:
        kept.append(value.numel())
        return value

    with saved_tensors_hooks(keep, lambda value: value):
        losses = built.bundle(built.train[0], Progress())
    losses.total.backward()
    return losses.total.item(), [p.grad for p in built.bundle.parameters()], sum(kept)


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_checkpointing": ["encoder"]},
        {"activation_checkpointing": ["approximator"]},
        {"activation_checkpointing": ["decoder"]},
        {"activation_checkpointing": ["encoder", "approximator", "decoder"], "decode_chunk": 5},
        {"decode_chunk": 3},
    ],
    ids=str,
)
def test_values_and_gradients_stay_and_memory_falls(tiny: Tiny, changes: dict[str, Any]) -> None:
    total, gradient, kept = gradients(tiny(losses={"rollout": ROLLOUT}))
    again, own, less = gradients(tiny(losses={"rollout": ROLLOUT}, trainer=changes))
    assert again == pytest.approx(total, rel=1e-6)
    for one, other in zip(gradient, own, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert less < 0.9 * kept


def test_an_encoder_that_draws_points_draws_the_same_again(tiny: Tiny) -> None:
    changes: dict[str, Any] = {
        "model": {"encoder": {"name": "supernode", "supernodes": 8, "max_neighbours": 2, "depth": 1}},
        "losses": {"inv_dec": ...},
    }
    total, gradient, _ = gradients(tiny(**changes))
    again, own, _ = gradients(tiny(**changes, trainer={"activation_checkpointing": ["encoder"]}))
    assert again == total
    for one, other in zip(gradient, own, strict=True):
        torch.testing.assert_close(one, other)


def test_a_chunk_larger_than_the_query_points_changes_nothing(tiny: Tiny) -> None:
    assert gradients(tiny(trainer={"decode_chunk": 1000}))[2] == gradients(tiny())[2]
