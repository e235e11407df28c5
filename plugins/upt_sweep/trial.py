"""One trial: a normal run at one point of the space, ended early where it does badly."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from optuna.trial import Trial, TrialState

from upt_core import EndRun, UserError, hookimpl
from upt_core.commands import RESULTS
from upt_sweep.space import Point
from upt_sweep.study import ERROR, FOLDER, Study

if TYPE_CHECKING:
    from upt_core import Progress
    from upt_core.commands import Trainer


class Pruned(EndRun):
    """The pruner ends this trial."""


class Watch:
    """Reports each validation of a run's last stage to the study, and ends the run where the pruner says so.

    Args:
        trial: of the run.
        metric: that judges it.
        stage: name of the last stage; metrics of earlier ones are no measure of the whole.
    """

    def __init__(self, trial: Trial, metric: str, stage: str) -> None:
        self._trial = trial
        self._metric = metric
        self._stage = stage

    @hookimpl(trylast=True)
    def validation_ended(self, trainer: Trainer, progress: Progress, metrics: Mapping[str, float]) -> None:
        """Reports; a run in its last epoch is not ended, since nothing would be saved."""
        value = metrics[self._metric]
        if trainer.plan.stage != self._stage or not math.isfinite(value):
            return
        self._trial.report(value, progress.epoch + 1)
        if progress.epoch + 1 < progress.num_epochs and self._trial.should_prune():
            raise Pruned(f"pruned after epoch {progress.epoch + 1}")


def run_trial(study: Study, trial: Trial, point: Point, listeners: Sequence[object] = ()) -> None:
    """Trains at a point, and tells the study how it ended. A run that fails does not end the sweep.

    Raises:
        KeyboardInterrupt: the trial was interrupted; it is planned again.
    """
    sweep, folder = study.sweep, Path(trial.user_attrs[FOLDER])
    try:
        experiment = sweep.experiment(point)
        watch = Watch(trial, sweep.metric, experiment.stages[-1].name)
        experiment.train(folder, listeners=[*listeners, watch])
        study.study.tell(trial, _best(folder))
    except Pruned:
        study.study.tell(trial, state=TrialState.PRUNED)
    except (UserError, torch.OutOfMemoryError) as error:
        _fail(study, trial, str(error))
    except KeyboardInterrupt:
        study.redo(trial)
        raise
    except BaseException as error:
        _fail(study, trial, f"{type(error).__name__}: {error}")
        raise


def suggest(study: Study, trial: Trial) -> Point:
    """The point of a trial."""
    return {dimension.key: dimension.suggest(trial) for dimension in study.sweep.dimensions}


def _best(folder: Path) -> float:
    """The best value of the metric that decides, on the validation split."""
    value = json.loads((folder / RESULTS).read_text(encoding="utf-8"))["best"]["value"]
    if value is None:
        raise UserError("no validation gave a finite value")
    return float(value)


def _fail(study: Study, trial: Trial, reason: str) -> None:
    trial.set_user_attr(ERROR, reason[:1000])
    study.study.tell(trial, state=TrialState.FAIL)
