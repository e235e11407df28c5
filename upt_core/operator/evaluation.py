"""Predictors beside the truth: figures, their intervals, errors of every trajectory, and the verdict in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from upt_core.data.loader import Batches
from upt_core.data.windows import Sample, Windows
from upt_core.kinds import Metric
from upt_core.operator.bootstrap import Bootstrap, Range
from upt_core.operator.errors import Errors
from upt_core.operator.evaluate import Predictor
from upt_core.operator.prediction import Array
from upt_core.trajectory import place_of

Sense = Literal["better", "even", "worse"]
MODEL = "model"


@dataclass(frozen=True, eq=False)
class Judged:
    """One predictor: its figures by the names of the metrics, and its errors.

    Args:
        intervals: of 95 %; None where a figure is no mean over samples, or there is one trajectory.
        by_sample: what a figure is the mean of; None where it is no mean.
    """

    figures: dict[str, float]
    intervals: dict[str, Range | None]
    by_sample: dict[str, Tensor | None]
    errors: Errors


@dataclass(frozen=True)
class Verdict:
    """Whether the model beats a baseline in one metric, in words."""

    metric: str
    baseline: str
    sense: Sense
    words: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found.

    Args:
        predictors: "model" first, then the baselines.
        lower_is_better: of each metric.
        number_S: the trajectory of each sample, counted from 0 in what was evaluated.
        start_S: the time step at which each sample's input begins.
        time_ST: physical times of the predicted steps; None for steady problems.
        sources: where each trajectory is from, by its number.
        remarks: what a reader must know.
    """

    predictors: dict[str, Judged]
    lower_is_better: dict[str, bool]
    number_S: Array
    start_S: Array
    time_ST: Array | None
    sources: dict[int, str]
    remarks: tuple[str, ...] = ()

    @property
    def trajectories(self) -> list[int]:
        """Their numbers, each once."""
        return [int(number) for number in np.unique(self.number_S)]

    @property
    def model(self) -> Judged:
        """The operator."""
        return self.predictors[MODEL]

    @property
    def steps(self) -> int:
        """Time steps that were predicted."""
        return int(self.model.errors.rmse_STF.shape[1])

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """Resamples the trajectories of this evaluation."""
        return Bootstrap(self.number_S)

    def by_trajectory(self, errors: Errors) -> Array:
        """Relative L2 error of each trajectory and field, a mean over the samples from it: (trajectories, F)."""
        relative_SF = errors.relative_SF.numpy()
        return np.stack([relative_SF[self.number_S == number].mean(axis=0) for number in self.trajectories])

    def worst(self, most: int) -> list[tuple[int, float]]:
        """Trajectories with the largest relative L2 error of the model, a mean over the fields; the worst first."""
        with np.errstate(invalid="ignore"):
            mean_G = np.nan_to_num(np.nanmean(self.by_trajectory(self.model.errors), axis=1))
        order = np.argsort(-mean_G, kind="stable")[:most]
        return [(self.trajectories[place], float(mean_G[place])) for place in order]

    def verdicts(self) -> list[Verdict]:
        """One for each metric and baseline."""
        names = [name for name in self.predictors if name != MODEL]
        return [self._verdict(metric, name) for metric in self.model.figures for name in names]

    def _verdict(self, metric: str, baseline: str) -> Verdict:
        rival, lower = self.predictors[baseline], self.lower_is_better[metric]
        own, other = self.model.figures[metric], rival.figures[metric]
        ours_S, theirs_S = self.model.by_sample[metric], rival.by_sample[metric]
        apart = None if ours_S is None or theirs_S is None else self.bootstrap.difference(ours_S, theirs_S)
        better = own < other if lower else own > other
        figures = f"{metric} {own:.4g}, {baseline} {other:.4g}"
        if not better:
            return Verdict(metric, baseline, "worse", f"The model does not beat {baseline}: {figures}.")
        if apart is not None and apart[0] <= 0 <= apart[1]:
            words = (
                f"The model is not clearly better than {baseline}: {figures}; other trajectories could reverse this."
            )
            return Verdict(metric, baseline, "even", words)
        ratio = (other / own if lower else own / other) if own > 0 and other > 0 else None
        by = "" if ratio is None else f" by a factor of {ratio:.3g}"
        return Verdict(metric, baseline, "better", f"The model beats {baseline}{by}: {figures}.")


@torch.no_grad()
def judged(
    predictors: Mapping[str, Predictor],
    batches: Batches,
    make_metrics: Callable[[], dict[str, Metric]],
    device: torch.device,
    look: Callable[[Sample], None] = lambda sample: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Every predictor over every sample, in one pass over the data and with one batch in memory.

    Args:
        predictors: "model", and baselines.
        batches: in the order of the samples.
        make_metrics: new metrics, for each predictor its own.
        device: of the model.
        look: is shown every sample before it is predicted; it may refuse.
        progress: is told how many samples are done, of how many.
    """
    windows, scale = batches.windows, batches.normalization.on(device)
    metrics = {name: make_metrics() for name in predictors}
    errors = {name: Errors(batches.data.of_frames()) for name in predictors}
    times: list[Array] = []
    for metric in (metric for own in metrics.values() for metric in own.values()):
        metric.reset()
    for start in range(0, len(windows), batches.batch_size):
        samples = [windows[number] for number in range(start, min(start + batches.batch_size, len(windows)))]
        for sample in samples:
            look(sample)
            times += [] if sample.time_T is None else [batches.data.times_of_frames(sample.time_T.double()).numpy()]
        batch = batches.collate(samples).to(device)
        target_BTNC = batches.data.unbundled(scale.to_physical(batch.target_BTNC))
        for name, predict in predictors.items():
            prediction_BTNC = batches.data.unbundled(scale.to_physical(predict(batch)))
            errors[name].add(prediction_BTNC, target_BTNC, batch)
            for metric in metrics[name].values():
                metric.update(prediction_BTNC, target_BTNC, batch)
        progress(start + len(samples), len(windows))
    return _evaluation(metrics, errors, windows, times)


def _evaluation(
    metrics: Mapping[str, dict[str, Metric]], errors: Mapping[str, Errors], windows: Windows, times: list[Array]
) -> Evaluation:
    places = [windows.locate(number) for number in range(len(windows))]
    number_S, start_S = (np.array(column) for column in zip(*places, strict=True))
    bootstrap = Bootstrap(number_S)
    predictors = {}
    for name, own in metrics.items():
        figures = {metric: one.compute() for metric, one in own.items()}
        by_sample = {metric: one.by_sample() for metric, one in own.items()}
        intervals = {metric: None if v is None else bootstrap.interval(v) for metric, v in by_sample.items()}
        predictors[name] = Judged(figures, intervals, by_sample, errors[name])
    return Evaluation(
        predictors,
        {name: metric.lower_is_better for name, metric in metrics[MODEL].items()},
        number_S,
        start_S,
        np.stack(times) if times else None,
        {number: place_of(windows.trajectories, number) for number in sorted(set(number_S.tolist()))},
        tuple(f"{name}: {text}" for name, metric in metrics[MODEL].items() if (text := metric.remark())),
    )


def with_remarks(found: Evaluation, texts: list[str]) -> Evaluation:
    """The same evaluation with more to know, which comes first."""
    return replace(found, remarks=(*texts, *found.remarks))
