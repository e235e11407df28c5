"""All that a run trains and goes on with, which its steps and its checkpoints share: it is saved and restored whole."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from upt_core.data.loader import Batches
from upt_core.data.task_batches import TaskBatches
from upt_core.errors import CheckpointError
from upt_core.kinds import Schedule
from upt_core.loss_bundle import LossBundle
from upt_core.operator import sharded_file
from upt_core.processes import Processes
from upt_core.progress import Progress
from upt_core.shards import whole_state
from upt_core.task_bundle import TaskBundle, in_task
from upt_core.training import checkpoint
from upt_core.training.control import Control
from upt_core.training.ema import Ema
from upt_core.training.guard import Spikes
from upt_core.training.means import Means
from upt_core.training.measures import Setting
from upt_core.training.optimization import Optimization
from upt_core.training.plan import Plan, State
from upt_core.training.saver import copied

if TYPE_CHECKING:
    from upt_core.training.sharding import Sharding


class Whole:
    """What a run, or a stage of it, trains, with what, and where it stands.

    ``control`` holds what listeners ask for; ``in_effect`` what of it all processes follow. ``moving`` is true in the
    middle of a step of the optimizers, when some weights are new and others old.

    Args:
        bundle: model and loss terms, on their device.
        batches: of the training split, or this process's rows of them.
        optimizers: together they hold every trainable parameter once.
        lr_schedule: factor of the learning rates.
        plan: how long, how precisely.
        extra: plain data to be kept in every checkpoint.
        processes: that train together.
        sharding: of the model; None: each process holds the whole of it.
    """

    def __init__(
        self,
        bundle: LossBundle | TaskBundle,
        batches: Batches | TaskBatches,
        optimizers: Sequence[torch.optim.Optimizer],
        lr_schedule: Schedule,
        plan: Plan,
        extra: Mapping[str, Any],
        processes: Processes,
        sharding: Sharding | None = None,
    ) -> None:
        self.bundle = bundle
        self.batches = batches
        self.plan = plan
        self.extra = dict(extra)
        self.processes = processes
        self.sharding = sharding
        self.device = next(bundle.model.parameters()).device
        self.state = State()
        self.means = Means()
        self.ema = Ema(bundle.model, plan.ema) if plan.ema is not None else None
        scaler = torch.amp.GradScaler(self.device.type, enabled=plan.precision == "fp16")
        self.optimization = Optimization(bundle.model, optimizers, lr_schedule, plan.clip_norm, scaler)
        self.spikes = Spikes(plan.max_gradient_spike) if plan.max_gradient_spike is not None else None
        self.control = Control([term.name for term in bundle.terms])
        self.in_effect = Control(self.control.terms)
        self.moving = False
        self._seconds_before = 0.0
        self._started: float | None = None

    def gathered(self) -> AbstractContextManager[None]:
        """For a block without steps of training, in which every process has the whole model; all enter it together."""
        return nullcontext() if self.sharding is None else self.sharding.gathered()

    def start_clock(self) -> None:
        """Counts the seconds of training from now on."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time in training, that before a resume included."""
        return self._seconds_before + (0.0 if self._started is None else time.monotonic() - self._started)

    @property
    def out_of_time(self) -> bool:
        """Whether training has taken all the time that it may."""
        return self.plan.max_seconds is not None and self.seconds >= self.plan.max_seconds

    @property
    def out_of_budget(self) -> bool:
        """Whether the budget of seconds is spent."""
        return self.plan.budget is not None and self.state.spent >= self.plan.budget.seconds

    @property
    def setting(self) -> Setting:
        """What the measures look at."""
        return Setting(self.bundle, self.batches, self.device, self.plan.precision)

    def progress(self, ahead: int = 0) -> Progress:
        """Where training stands now, or some batches ahead."""
        step = self.state.step + ahead
        epoch, batch = divmod(step, self.batches.per_epoch)
        position = epoch + batch / self.batches.per_epoch
        return Progress(epoch, self.plan.epochs, step, position, self.processes.rank)

    def follow(self, control: Mapping[str, Any]) -> None:
        """Puts wishes of listeners, as ``Control.state_dict`` gives them, into effect."""
        self.in_effect.load_state_dict(control)
        for task, bundle in self.bundle.parts.items():
            bundle.factors = {
                term.name: self.in_effect.weight_factors[in_task(task, term.name)]
                for term in bundle.terms
                if in_task(task, term.name) in self.in_effect.weight_factors
            }

    def state_of_all(self) -> dict[str, Any]:
        """The state of this process with what differs in the others."""
        random = self.processes.of_all(checkpoint.random_state(self.device))
        means = self.processes.of_all(copied(self.means.state_dict()))  # on the CPU: hosts exchange no device's memory
        return {**self.state_dict(), "random_of_others": random[1:], "means": means}

    def best_of_all(self) -> dict[str, Any]:
        """The state that is kept as the best: where the model is divided, whole weights without the optimizers'."""
        state = self.state_of_all()
        return state if self.sharding is None else whole_state({**state, "optimizers": None})

    def state_alone(self) -> dict[str, Any]:
        """The state of this process, without what only the others know; each gets a random state of its own later."""
        return {**self.state_dict(), "means": []}

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on bit by bit as if it had never stopped."""
        return {
            "model": self.bundle.model.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            **self.optimization.state_dict(),
            "samplers": {stream: sampler.state_dict() for stream, sampler in self.bundle.samplers.items()},
            "state": {**vars(self.state)},
            "random": checkpoint.random_state(self.device),
            "means": [self.means.state_dict()],
            "control": self.control.state_dict(),
            "spikes": None if self.spikes is None else vars(self.spikes),
            "seconds": self.seconds,
            "extra": self.extra,
        }

    def load_state_dict(self, state: Mapping[str, Any], path: Path) -> None:
        """Goes on from a checkpoint.

        Raises:
            CheckpointError: it belongs to another architecture, optimizer or set of samplers.
        """
        if sharded_file.DIGESTS in state:
            read = sharded_file.whole if self.sharding is None else self.sharding.read
            state = read(state, path)
        checkpoint.load_model(self.bundle.model, state["model"], path)
        self.optimization.load_state_dict(state, path)
        self._load_ema(state["ema"], path)
        self._load_samplers(state["samplers"], path)
        self.state = State(**state["state"])
        self.means = Means.restored(state["means"], self.processes, self.device)
        self.control.load_state_dict(state["control"])
        self.follow(state["control"])
        if self.spikes is not None and state["spikes"] is not None:
            vars(self.spikes).update({**state["spikes"], "factor": self.spikes.factor})
        self._seconds_before, self._started = state["seconds"], None if self._started is None else time.monotonic()
        # Last, so that nothing above can draw from it.
        checkpoint.restore_random_state(checkpoint.random_state_of(state, self.processes.rank), self.device)

    def _load_ema(self, state: dict[str, object] | None, path: Path) -> None:
        if (self.ema is None) != (state is None):
            raise CheckpointError(
                f"{path}: trainer.ema differs between this experiment and the checkpoint; use the same"
            )
        if self.ema is not None and state is not None:
            self.ema.load_state_dict(state)

    def _load_samplers(self, states: Mapping[str, Any], path: Path) -> None:
        if set(states) != set(self.bundle.samplers):
            raise CheckpointError(f"{path}: was trained with other samplers; use the configuration of that run")
        for bundle in self.bundle.parts.values():
            bundle.forget()  # of a step that is taken back
        for stream, sampler in self.bundle.samplers.items():
            sampler.load_state_dict(states[stream])
