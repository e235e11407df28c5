"""What is estimated: an experiment, with a little of its data."""

from __future__ import annotations

import torch

from upt_core import Batch, Experiment, Progress, Upt, UserError
from upt_core.commands import Built, PreparedData
from upt_estimate.few import Few


class Subject:
    """An experiment, or a stage of one, with as many samples of its data as a batch has.

    Args:
        experiment: with one data set.
        freeze: parts of the model that are held fixed.

    Raises:
        UserError: the experiment has several tasks.
    """

    def __init__(self, experiment: Experiment, freeze: tuple[str, ...] = ()) -> None:
        if experiment.tasks:
            names = ", ".join(task.name for task in experiment.tasks)
            raise UserError(
                f"an estimate needs one data set, but this experiment has the tasks {names}; write an experiment for "
                "each task, without 'tasks' and with its data, encoder and decoder, and estimate these"
            )
        self.experiment, self.freeze = experiment, freeze
        settings = experiment.settings
        assert settings.data is not None
        whole = settings.data.build()
        ahead, data = max(entry.build().horizon for entry in settings.losses.values()), whole.spec()
        self._times = 1 if data.steady else ahead + data.history
        times = 1 if data.steady else max(settings.validation.rollout, ahead) + data.history
        self.few = Few(whole, settings.trainer.batch_size, times)
        self.prepared = PreparedData(self.few, "none", over=settings.mean)
        self.progress = Progress(epoch=0, num_epochs=settings.trainer.epochs, step=0, position=0.0)

    @property
    def read(self) -> str:
        """What was read of the data."""
        train, few = len(self.few.whole.trajectories("train")), self.prepared.trajectories("train")
        times = max(few.num_times(index) for index in range(len(few)))
        return f"{len(few)} of {train} training trajectories, at most {times} time steps of each"

    @property
    def samples(self) -> int:
        """Samples of the training split: no batch is larger."""
        train = self.few.whole.trajectories("train")
        return sum(max(0, train.num_times(index) - self._times + 1) for index in range(len(train)))

    @property
    def num_points(self) -> int:
        """Most points of a sample that was read."""
        few = self.prepared.trajectories("train")
        return max(few.read(index, 0, 1).coords_NX.shape[0] for index in range(len(few)))

    def built(self, model: Upt) -> Built:
        """The experiment's objects around a model."""
        built = self.experiment.build(self.prepared, model)
        model.freeze(self.freeze)
        return built

    def batch(self, built: Built, size: int) -> Batch:
        """A batch of any size, of the samples that were read, in turn."""
        windows = built.train.windows
        numbers = torch.linspace(0, len(windows) - 1, min(size, len(windows))).round().long().tolist()
        samples = [windows[number] for number in numbers]
        return built.train.collate([samples[row % len(samples)] for row in range(size)])
