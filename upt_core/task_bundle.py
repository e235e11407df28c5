"""One loss bundle a task; their models share the approximator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from upt_core.batch import Batch
from upt_core.kinds import Sampler
from upt_core.loss_bundle import LossBundle, Losses, WeightedTerm
from upt_core.model import Upt
from upt_core.progress import Progress


class TaskModel(nn.Module):
    """A model for each task: own encoder and decoder, the same approximator."""

    def __init__(self, models: Mapping[str, Upt]) -> None:
        super().__init__()
        self.models = nn.ModuleDict(models)

    def freeze(self, parts: Sequence[str]) -> None:
        """Holds these parts of every task fixed, and lets all others train."""
        for model in self.models.values():
            assert isinstance(model, Upt)
            model.freeze(parts)


class TaskBundle(nn.Module):
    """The loss bundles of several tasks; a batch goes to that of its task. Names of terms begin with the task's."""

    def __init__(self, bundles: Mapping[str, LossBundle]) -> None:
        super().__init__()
        self.bundles = nn.ModuleDict(bundles)
        self.model = TaskModel({name: bundle.model for name, bundle in bundles.items()})

    @property
    def parts(self) -> dict[str, LossBundle]:
        """Each task's bundle."""
        return {name: bundle for name, bundle in self.bundles.items() if isinstance(bundle, LossBundle)}

    @property
    def terms(self) -> tuple[WeightedTerm, ...]:
        """The terms of all tasks."""
        return tuple(
            replace(term, name=in_task(task, term.name), stream=in_task(task, term.stream))
            for task, bundle in self.parts.items()
            for term in bundle.terms
        )

    def weights(self, progress: Progress) -> dict[str, float]:
        """Every term's weight now."""
        return {
            in_task(task, name): weight
            for task, bundle in self.parts.items()
            for name, weight in bundle.weights(progress).items()
        }

    @property
    def samplers(self) -> dict[str, Sampler]:
        """Every sampler once, by task and stream."""
        return {
            in_task(task, stream): sampler
            for task, bundle in self.parts.items()
            for stream, sampler in bundle.samplers.items()
        }

    def forward(self, batch: Batch, progress: Progress) -> Losses:
        """The losses of one batch of one task."""
        losses: Losses = self.bundles[batch.task](batch, progress)
        return Losses(
            losses.total,
            {in_task(batch.task, name): value for name, value in losses.values.items()},
            {in_task(batch.task, name): weight for name, weight in losses.weights.items()},
        )


def in_task(task: str, name: str) -> str:
    """A name with that of its task before it."""
    return f"{task}/{name}" if task else name
