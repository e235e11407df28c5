"""Evaluates a trained operator: on a split of its own data, on other data, at another resolution.

Encoder, approximator, decoder, the data set and the metrics must be installed; losses, samplers, callbacks and
optimizers of the operator's run need not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationError

from upt_core.config.document import Document
from upt_core.config.problems import problems_of
from upt_core.config.schema import Plugin, Section
from upt_core.config.yaml_text import Keys
from upt_core.data.loader import Batches
from upt_core.data.point_sets import Over, PointSets
from upt_core.data.prepared import PreparedData
from upt_core.data.windows import Windows
from upt_core.errors import ConfigError, DataError, Problem, UserError
from upt_core.kinds import Dataset, Metric
from upt_core.operator.evaluate import Predictor, baselines, predictor_of, training_mean
from upt_core.operator.evaluation import MODEL, Evaluation, judged, with_remarks
from upt_core.operator.load import load_all, place
from upt_core.operator.operator import Operator
from upt_core.operator.rollout import Space
from upt_core.operator.selected import WrongSelection, build_metric
from upt_core.operator.watch import Watch
from upt_core.precision import Precision, check_precision, resolve_device
from upt_core.registry import Registry
from upt_core.registry.discovery import installed
from upt_core.registry.doctor import missing_plugins
from upt_core.remarks import remark
from upt_core.run.built import Results
from upt_core.run.inputs import Part, dataset_of
from upt_core.run.resolution import at_resolution
from upt_core.task_bundle import in_task
from upt_core.trajectory import Split, Trajectories


@dataclass(frozen=True)
class Asked:
    """What an operator is evaluated on, and how.

    Args:
        split: of the operator's own data, or "all" of it.
        path: other data, taken whole, read by the operator's own kind of data set or the one that ``overrides`` name.
        overrides: settings of the data set, ``data.KEY=VALUE``.
        resolution: points along each axis at which inputs are given and truths compared; None: those of the data.
        steps: time steps of the rollout; None: as in the run's validation.
        space: in which rollouts go on; None: as in the run's validation.
        metrics: name → a metric's name or its settings; None: those of the run's validation.
        batch_size: samples at a time; the figures do not depend on it. None: as in the run's validation.
    """

    split: Part = "test"
    path: Path | None = None
    overrides: tuple[str, ...] = ()
    resolution: tuple[int, ...] | None = None
    steps: int | None = None
    space: Space | None = None
    metrics: Mapping[str, Any] | None = None
    batch_size: int | None = None


class _Metrics(Section):
    metrics: dict[str, Annotated[Any, Plugin("metric")]]


def evaluate_operator(
    operator: Operator,
    asked: Asked,
    progress: Callable[[int, int], None] = lambda done, total: None,
    registry: Registry | None = None,
) -> Evaluation:
    """Predictions of the operator and of the baselines beside the truth.

    Raises:
        DataError: the data cannot be read, or are not what the operator takes; or a split of changed data has
            trajectories of training.
        ConfigError: an override or a metric is wrong.
    """
    registry = registry or installed()
    config = config_of(operator)
    validation, trainer = config.get("validation") or {}, config.get("trainer") or {}
    steps = 1 if operator.data.steady else asked.steps or validation.get("rollout") or 1
    if operator.data.steady and (asked.steps or 1) > 1:
        raise UserError(f"--steps is {asked.steps}, but the problem is steady and has one solution; leave --steps out")
    metrics, remarks = _metrics(operator, asked, steps, registry)
    dataset = dataset_of(operator, asked.path, asked.overrides, registry)
    prepared = _prepared(operator, dataset)
    trajectories = _trajectories(prepared, asked)
    remarks += [*_known(prepared, trajectories, asked), *_not_needed(operator, registry)]
    if asked.resolution is not None:
        dataset, words = at_resolution(operator, dataset, asked.resolution, asked.path, asked.overrides, registry)
        remarks += words
        prepared = _prepared(operator, dataset)
        trajectories = _trajectories(prepared, asked)
    _check_metrics(metrics(), prepared)
    size = asked.batch_size or validation.get("batch_size") or trainer.get("batch_size") or 16
    batches, left_out = _batches(operator, prepared, trajectories, steps, int(size))
    prepared.check_files()
    precision: Precision = trainer.get("precision") or "fp32"
    space: Space = asked.space or validation.get("space") or "latent"
    check_precision(precision, operator.device)
    predictors: dict[str, Predictor] = {MODEL: predictor_of(operator, precision, space)}
    predictors |= _baselines(operator, prepared, batches, asked.path is None)
    watch = Watch(operator, prepared.data.grid_shape)
    found = judged(predictors, batches, metrics, operator.device, watch.see, progress)
    return with_remarks(found, [*remarks, *left_out, *watch.remarks()])


def config_of(operator: Operator) -> dict[str, Any]:
    """The configuration of the run that an operator comes from; empty where it does not say."""
    return dict(operator.provenance.get("config") or {})


def _metrics(
    operator: Operator, asked: Asked, steps: int, registry: Registry
) -> tuple[Callable[[], dict[str, Metric]], list[str]]:
    """Makes the metrics; and what is to be said of those that are left out as they are not installed."""
    given = asked.metrics
    own = dict((config_of(operator).get("validation") or {}).get("metrics") or {})
    chosen = own if given is None else dict(given)
    missing = [name for name, spec in chosen.items() if not registry.entries.get(("metric", _name(spec)))]
    remarks = []
    if given is None and missing:
        chosen = {name: spec for name, spec in chosen.items() if name not in missing}
        remarks = [f"metrics of the run that are not installed are left out: {', '.join(missing)}"]
    if not chosen:
        there = ", ".join(sorted(name for kind, name in registry.entries if kind == "metric"))
        raise UserError(f"no metric of the run is installed; give --metrics; there are: {there or 'none'}")
    document = Document({"metrics": chosen})
    try:
        entries = _Metrics.model_validate(document.data, context={"registry": registry}).metrics
    except ValidationError as error:
        raise ConfigError(problems_of(error, document, registry)) from error

    def make() -> dict[str, Metric]:
        return {name: _metric(name, entry, operator, steps) for name, entry in entries.items()}

    make()
    return make, remarks


def _metric(name: str, entry: Any, operator: Operator, steps: int) -> Metric:
    try:
        return build_metric(entry, operator.data.of_frames(), steps * operator.data.bundle)
    except WrongSelection as error:
        path: Keys = ("metrics", name, error.key)
        raise ConfigError([Problem(path, str(error), hint="--steps sets the time steps of the rollout")]) from error


def _check_metrics(metrics: Mapping[str, Metric], prepared: PreparedData) -> None:
    """The data may be of another kind than those of training: scattered points instead of a grid."""
    for name, metric in metrics.items():
        try:
            metric.check_data(prepared.data.of_frames())
        except ValueError as error:
            raise UserError(f"metric {name}: {error}; choose others with --metrics") from error


def _name(spec: Any) -> str:
    return str(spec.get("name")) if isinstance(spec, Mapping) else str(spec)


def _not_needed(operator: Operator, registry: Registry) -> list[str]:
    """What is to be said of the run's plugins that are not installed and that no figure needs."""
    recorded = operator.provenance.get("plugins") or {}
    lines = missing_plugins(
        {plugin: of for plugin, of in recorded.items() if not plugin.startswith("metric ")}, registry
    )
    if not lines:
        return []
    return [f"the metrics do not need plugins that were used only in training; to continue the run: {'; '.join(lines)}"]


def _prepared(operator: Operator, dataset: Dataset) -> PreparedData:
    over: Over = config_of(operator).get("mean") or "space"
    prepared = PreparedData(dataset, normalization=operator.normalization, training=operator.training, over=over)
    prepared.point_sets.want(operator.model.encoder.needs)
    return prepared


def _trajectories(prepared: PreparedData, asked: Asked) -> Trajectories:
    if asked.path is None and asked.split != "all":
        return prepared.trajectories(asked.split)
    found = prepared.dataset.everything()
    if len(found) == 0:
        raise DataError(f"{asked.path or 'the data set'}: holds no trajectories")
    return found


def _known(prepared: PreparedData, trajectories: Trajectories, asked: Asked) -> list[str]:
    """Refuses a split of changed data that has trajectories of training; says what is otherwise to know.

    Raises:
        DataError: the split is meant to be unseen, and is not.
    """
    training = prepared.training
    if asked.path is not None:
        seen = training.seen_in(trajectories)
        return [f"{len(seen)} of the {len(trajectories)} trajectories are training trajectories"] if seen else []
    if asked.split == "all":
        return ["all splits are evaluated, including the training split"]
    differences = training.differences(prepared.fingerprint())
    if not differences:
        return []
    seen = [] if asked.split == "train" else training.seen_in(trajectories)
    if seen:
        raise DataError(
            f"the data are not those of the run: {'; '.join(differences)}; {len(seen)} of the "
            f"{len(trajectories)} trajectories of the split {asked.split!r} are training trajectories; evaluate on "
            "data that the operator was not trained on"
        )
    return [f"the data are not those of the run: {'; '.join(differences)}"]


def _batches(
    operator: Operator, prepared: PreparedData, trajectories: Trajectories, steps: int, size: int
) -> tuple[Batches, list[str]]:
    """Every window, or for rollouts those from t = 0; and which trajectories are too short for one."""
    data = prepared.data
    windows = Windows(trajectories, data, steps, data.condition, first_only=steps > 1)
    needed = steps + data.history
    short = [] if data.steady else [n for n in range(len(trajectories)) if trajectories.num_times(n) < needed]
    remarks = [f"{len(short)} of {len(trajectories)} trajectories have fewer than {needed} time steps and are left out"]
    point_sets: PointSets = prepared.point_sets
    return Batches(windows, operator.normalization, size, point_sets=point_sets), remarks if short else []


def _baselines(operator: Operator, prepared: PreparedData, batches: Batches, own: bool) -> dict[str, Predictor]:
    """Persistence; for steady problems the mean field of training, or of foreign data the mean of training's values."""
    if own or not batches.data.steady:
        return baselines(prepared, batches)
    return {"training mean": training_mean(operator.training, batches)}


def evaluate_run(
    run: Path,
    split: Split = "test",
    which: str = "best",
    steps: int | None = None,
    device: str | None = None,
    space: Space | None = None,
) -> Results:
    """Metrics of a run's checkpoint and of the baselines on a split: name of the predictor → metric → value.

    Of a run with several tasks, metrics are called TASK/METRIC, the baselines of all tasks are one row, and the metric
    that decides has its mean over the tasks, too.

    Args:
        which: "best" or "last".
        steps: time steps of the rollout; None: as in the run's validation.
        device: None: that of the run.
        space: "latent" or "physical", in which rollouts go on; None: as in the run's validation.

    Statistics are those of the checkpoint: they are never measured again.

    Raises:
        CheckpointError: the folder is not a run, or has no such checkpoint.
        DataError: the data have changed, and the split has trajectories that the operator was trained on.
    """
    results: Results = {}
    operators = operators_on(run, which, device)
    several = list(operators) != [""]
    for task, operator in operators.items():
        found = evaluate_operator(operator, Asked(split, steps=steps, space=space))
        for text in found.remarks:
            remark(in_task(task, text))
        for name, judgement in found.predictors.items():
            row = "baseline" if several and name != MODEL else name
            figures = {in_task(task, metric): value for metric, value in judgement.figures.items()}
            results.setdefault(row, {}).update(figures)
    return _with_mean(results, list(operators), next(iter(operators.values()))) if several else results


def _with_mean(results: Results, tasks: Sequence[str], operator: Operator) -> Results:
    validation = config_of(operator)["validation"]
    name = validation.get("monitor") or next(iter(validation["metrics"]))
    return {
        row: {**values, name: sum(values[in_task(task, name)] for task in tasks) / len(tasks)}
        for row, values in results.items()
    }


def operators_on(source: Path, which: str = "best", device: str | None = None) -> dict[str, Operator]:
    """Task → operator, of a run folder's best or last checkpoint or of a file; on a device, or that of its run.

    Raises:
        CheckpointError: there is none.
    """
    path = place(source).with_name(f"{which}.pt") if source.is_dir() else place(source)
    operators = load_all(path)
    for operator in operators.values():
        trainer = config_of(operator).get("trainer") or {}
        operator.to(resolve_device(device or trainer.get("device") or "auto"))
    return operators
