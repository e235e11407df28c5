"""What an experiment is, as plain data: for ``upt check``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from torch import nn

from upt_core.cli.advice import advice
from upt_core.config.sections import ExperimentSettings
from upt_core.loss_bundle import WeightedTerm
from upt_core.progress import Progress
from upt_core.run.built import Built, BuiltTasks
from upt_core.run.experiment import Experiment
from upt_core.run.start import Start
from upt_core.specs import FieldSpec
from upt_core.training.gradients import check_reach
from upt_core.trajectory import Split

Reached = Mapping[str, Mapping[str, float]]
"""Loss term → part of the model → norm of the gradient, as ``check_reach`` gives it."""


def describe(experiment: Experiment) -> dict[str, Any]:
    """Data, model, loss terms and training of an experiment and of each of its stages, which are built for it.

    An experiment with several tasks is described task by task, under "tasks".

    Raises:
        UserError: what ``Experiment.train`` refuses before the first step.
    """
    prepared = experiment.prepare_all()
    stages: dict[str, list[dict[str, Any]]] = {task: [] for task in experiment.parts}
    built: Built | BuiltTasks | None = None
    for stage in experiment.stages:
        own = experiment.of_stage(stage)
        first = built is None
        built = own.build_all(prepared, built.bundle.model if built else None)
        if first:
            starts = {task: part.start for task, part in built.parts.items()}
        built.bundle.model.freeze(stage.freeze)
        for task, part in built.parts.items():
            found = _stage(own.parts[task].settings, part, built.train.counts[task])
            stages[task].append({"name": stage.name, "freeze": list(stage.freeze), **found})
    assert built is not None, "an experiment has a stage"
    tasks = {
        task: {**_task(experiment.parts[task].settings, part, starts[task]), "stages": stages[task]}
        for task, part in built.parts.items()
    }
    return tasks.get("", {"tasks": tasks})


def _task(settings: ExperimentSettings, built: Built, start: Start | None) -> dict[str, Any]:
    assert settings.data is not None, "a task has a data set"
    first = built.train[0]
    points = first.points
    data = {"name": settings.data.name, "points": first.input_points.num_points, **_data(built)}
    data["mean"] = "points" if points.measure_BN is None else "space"
    if built.prepared.data.targets_apart:
        grid = built.prepared.data.target_grid
        data["target_points"], data["target_grid"] = points.num_points, None if grid is None else list(grid)
    return {"data": data, "model": _model(settings, built, start)}


def _stage(settings: ExperimentSettings, built: Built, steps_per_epoch: int) -> dict[str, Any]:
    points = built.train[0].points.num_points
    reached = check_reach(built.bundle, built.train[0].to(built.device), settings.trainer.precision)
    return {
        "losses": [_loss(settings, name, built, points, reached) for name in settings.losses],
        "remarks": advice(settings, built, reached),
        "training": {
            "epochs": settings.trainer.epochs,
            "steps_per_epoch": steps_per_epoch,
            "batch_size": settings.trainer.batch_size,
            "optimizer": settings.trainer.optimizer.name,
            "device": str(built.device),
            "precision": settings.trainer.precision,
            "metrics": list(settings.validation.metrics),
            "monitor": settings.validation.monitored,
        },
    }


def _data(built: Built) -> dict[str, Any]:
    data = built.prepared.data
    sizes = {}
    splits: tuple[Split, ...] = get_args(Split)
    for split in splits:
        batches = built.prepared.batches(split, built.bundle.horizon if split == "train" else 1, 1)
        sizes[split] = {
            "trajectories": len(built.prepared.trajectories(split)),
            "samples": len(batches.windows),
        }
    return {
        "splits": sizes,
        "inputs": [_named(field) for field in data.inputs],
        "targets": [_named(field) for field in data.targets],
        "grid_shape": None if data.grid_shape is None else list(data.grid_shape),
        "extent": list(data.extent),
        "periodic": list(data.periodic),
        "condition": list(data.condition),
        "history": data.history,
        "bundle": data.bundle,
        "steady": data.steady,
        "remarks": built.prepared.remarks(),
    }


def _named(field: FieldSpec) -> str:
    return field.name if field.channels == 1 else f"{field.name} ({field.channels})"


def _model(settings: ExperimentSettings, built: Built, start: Start | None) -> dict[str, Any]:
    parts = {
        part: {"name": getattr(settings.model, part).name, "parameters": _size(getattr(built.bundle.model, part))}
        for part in ("encoder", "approximator", "decoder")
    }
    spec = settings.model.latent.spec()
    latent = {"tokens": spec.tokens, "dim": spec.dim, "lattice": None if spec.lattice is None else list(spec.lattice)}
    remark = built.bundle.model.encoder.remark(built.train[0].input_points)
    return {
        "parameters": _size(built.bundle.model),
        "parts": parts,
        "latent": latent,
        "remark": remark,
        "start": start.sentences() if start else [],
    }


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _loss(
    settings: ExperimentSettings,
    name: str,
    built: Built,
    points: int,
    reached: Reached,
) -> dict[str, Any]:
    """A loss term; weight and number of query points in the first and in the last epoch."""
    config = settings.losses[name]
    weighted = {term.name: term for term in built.bundle.terms}.get(name)
    if weighted is None:
        return {"name": name, "term": config.name, "off": True}
    epochs, per_epoch = settings.trainer.epochs, built.train.per_epoch
    ends = [Progress(epoch, epochs, epoch * per_epoch, float(epoch)) for epoch in (0, epochs - 1)]
    own = config.sampler if "sampler" in config.model_fields_set else settings.sampler
    return {
        "name": name,
        "term": config.name,
        "off": False,
        "weight": [weighted.weight(progress) for progress in ends],
        "every": weighted.every,
        "sampler": own.name if weighted.sampler is not None and own is not None else None,
        "queries": [_queries(weighted, points, progress) for progress in ends],
        "trains": list(reached[name]),
    }


def _queries(weighted: WeightedTerm, points: int, progress: Progress) -> int:
    return points if weighted.sampler is None else min(points, weighted.sampler.count(points, progress))
