"""Networks of jax from field to field on a grid, trained on the same batches for the same processor seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from upt_bench.quality.apebench import modules, network
from upt_bench.quality.between import Between
from upt_bench.quality.grid_training import GridTrained, as_field
from upt_bench.quality.places import places_of
from upt_core import Batch, Experiment, Progress, UserError
from upt_core.commands import PreparedData


@dataclass
class Compiled:
    """A function that jax compiles for each shape of batch; ``spent`` is what that took, in processor seconds.

    Args:
        function: a jitted one.
    """

    function: Any
    spent: float = 0.0
    known: dict[tuple[int, ...], Any] = field(default_factory=dict)

    def __call__(self, shape: tuple[int, ...], *given: Any) -> Any:
        """The function's answer, when it is there."""
        if shape not in self.known:
            started = time.process_time()
            self.known[shape] = self.function.lower(*given).compile()
            self.spent += time.process_time() - started
        return self.known[shape](*given)


def train_by_jax(operator: str, experiment: Experiment, it: Between) -> GridTrained:
    """Trains for the experiment's budget with optax's AdamW and its schedule; relative L2 loss in physical units.

    What compilation takes does not count.

    Args:
        operator: by name.
        experiment: whose optimizer must be AdamW.
        it: what the network maps between.

    Raises:
        UserError: a package is not installed, or the optimizer is another one.
    """
    jax, _, optax = modules(operator)
    arrays, answer = _split(operator, it)
    optimizer = _optimizer(optax, jax, operator, experiment)
    state, step = optimizer.init(arrays), Compiled(_step(jax, optax, optimizer, answer))
    prepared, schedule, budget = experiment.prepare(), experiment.lr_schedule(), experiment.plan().budget
    assert budget is not None
    batches = prepared.batches("train", 1, experiment.settings.trainer.batch_size, experiment.settings.seed)
    progress, spent, started = Progress(num_epochs=experiment.settings.trainer.epochs), 0.0, time.process_time()
    while spent < budget.seconds:
        for batch in batches.iterate(progress.step, progress.step + batches.per_epoch):
            given = _as_arrays(batch, prepared)
            factor = np.float32(schedule(budget.scheduled(progress, spent)))
            arrays, state = step(given[0].shape, arrays, state, factor, *given)
            jax.block_until_ready(arrays)
            progress, spent = replace(progress, step=progress.step + 1), time.process_time() - started - step.spent
            if spent >= budget.seconds:
                break
    parameters = sum(leaf.size for leaf in jax.tree.leaves(arrays))
    return GridTrained(_as_torch(jax.jit(answer), arrays), prepared.data, parameters, progress.step, spent)


def _split(operator: str, it: Between) -> tuple[Any, Callable[[Any, Any], Any]]:
    """A network's arrays, and what it answers with such arrays to (B, C, \\*grid)."""
    import equinox
    import jax

    arrays, static = equinox.partition(network(operator, it), equinox.is_array)

    def answer(arrays: Any, field: Any) -> Any:
        if it.placed:
            places = places_of(field.shape[2:], it.periodic).numpy()
            shown = jax.numpy.broadcast_to(places, (len(field), *places.shape))
            field = jax.numpy.concatenate([field, shown], axis=1)
        return jax.vmap(equinox.combine(arrays, static))(field)

    return arrays, answer


def _step(jax: Any, optax: Any, optimizer: Any, answer: Callable[[Any, Any], Any]) -> Any:
    """One step of the optimizer, jitted: arrays, state, factor of the learning rate and a batch → arrays, state."""

    def loss(arrays: Any, field: Any, target: Any, weight: Any) -> Any:
        error = (answer(arrays, field) - target) * weight
        return jax.numpy.sqrt(jax.numpy.square(error).sum(axis=tuple(range(1, error.ndim)))).mean()

    def advance(arrays: Any, state: Any, factor: Any, *batch: Any) -> Any:
        updates, state = optimizer.update(jax.grad(loss)(arrays, *batch), state, arrays)
        return optax.apply_updates(arrays, jax.tree.map(lambda update: factor * update, updates)), state

    return jax.jit(advance, donate_argnums=(0, 1))


def _as_arrays(batch: Batch, prepared: PreparedData) -> list[Any]:
    """Input, target and weights of errors, each (B, C, \\*grid) with ones for the grid of the weights."""
    target_BNC = batch.target_BTNC[:, 0]
    field, target = (as_field(batch, value_BNC).numpy() for value_BNC in (batch.input_BNC, target_BNC))
    weight = weight_of(target_BNC, *prepared.normalization.of_targets()).numpy()
    return [field, target, weight.reshape(*weight.shape, *[1] * (field.ndim - 2))]


def weight_of(target_BNC: Tensor, mean_C: Tensor, std_C: Tensor) -> Tensor:
    """What turns a normalised error (B, N, C) into one in units of the sample's size in physical units: (B, C)."""
    size_B = torch.linalg.vector_norm(target_BNC * std_C + mean_C, dim=(1, 2))
    weight_BC: Tensor = (std_C / size_B.unsqueeze(1)).float()
    return weight_BC


def _as_torch(answer: Any, arrays: Any) -> Callable[[Tensor], Tensor]:
    def network(field: Tensor) -> Tensor:
        return torch.from_numpy(np.array(answer(arrays, field.numpy())))

    return network


def _optimizer(optax: Any, jax: Any, operator: str, experiment: Experiment) -> Any:
    """optax's AdamW with the numbers of the experiment's."""
    found = experiment.optimizers(nn.Linear(2, 2))
    if not all(isinstance(one, torch.optim.AdamW) for one in found):
        raise UserError(f"the operator {operator} is trained by AdamW; set trainer.optimizer to one, or leave it out")
    groups = [group for one in found for group in one.param_groups]
    beta1, beta2 = groups[0]["betas"]
    return optax.adamw(
        max(group["lr"] for group in groups),
        b1=beta1,
        b2=beta2,
        eps=groups[0]["eps"],
        weight_decay=max(group["weight_decay"] for group in groups),
        mask=lambda arrays: jax.tree.map(lambda leaf: leaf.size > leaf.shape[0], arrays),
    )
