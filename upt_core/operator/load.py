"""A run folder, a checkpoint or an operator's file → the operator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upt_core.errors import CheckpointError, UserError
from upt_core.operator import sharded_file
from upt_core.operator.operator import Operator
from upt_core.precision import check_available
from upt_core.registry import Registry

CHECKPOINT = Path("checkpoints") / "best.pt"


def load(
    source: Path | str, task: str | None = None, device: torch.device | str = "cpu", registry: Registry | None = None
) -> Operator:
    """The trained operator of a run, or of a file.

    Its parts (encoder, approximator, decoder) must be installed; its data set, losses, samplers and callbacks need
    not.

    Args:
        source: a run folder (its best checkpoint is taken), a checkpoint, or what ``Operator.save`` wrote.
        task: which one, where a run had several tasks.
        device: where to put it.

    Raises:
        CheckpointError: there is no such file, it is damaged or of another format, a part of the model is missing.
        UserError: the machine has no such device.
    """
    path = place(Path(source))
    check_available(torch.device(device), f"device is {str(device)!r}", "cpu")
    content = sharded_file.read(path)
    with _as_written(path):
        operator = _operator(content, chosen(operators_of(content, path), task, path), path, registry)
    return operator.to(device)


def load_all(path: Path, registry: Registry | None = None) -> dict[str, Operator]:
    """Task → its operator; a run with one data set has one, without a name. Arguments and errors as those of ``load``.

    Args:
        path: of a file.
    """
    content = sharded_file.read(path)
    with _as_written(path):
        return {name: _operator(content, name, path, registry) for name in operators_of(content, path)}


@contextmanager
def _as_written(path: Path) -> Iterator[None]:
    """Around what takes a file's content apart: it is whole, but another program may have written something else."""
    try:
        yield
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise CheckpointError(
            f"{path}: the file is complete, but its content is not an operator of upt ({type(error).__name__}: "
            f"{said[:300]}); it "
            f"was changed by another program, or belongs to another version of a plugin; use another copy"
        ) from error


def _operator(content: Mapping[str, Any], name: str, path: Path, registry: Registry | None) -> Operator:
    prefix = f"models.{name}." if name else ""
    weights = {key.removeprefix(prefix): value for key, value in weights_of(content).items() if key.startswith(prefix)}
    operator = Operator.from_plain(operators_of(content, path)[name], weights, str(path), registry)
    figures = figures_of_run(path, name)
    if figures is not None:
        operator.provenance["test"] = figures
    return operator


def figures_of_run(path: Path, task: str = "") -> dict[str, Any] | None:
    """Figures of a run's test split: predictor → metric → value; None for another file than its best checkpoint.

    Args:
        path: of the checkpoint.
        task: of several; their metrics are called TASK/METRIC in the run.
    """
    results = path.parent.parent / "results.json"
    if path.name != CHECKPOINT.name or path.parent.name != CHECKPOINT.parent.name or not results.is_file():
        return None
    try:
        predictors: dict[str, dict[str, float]] = json.loads(results.read_text(encoding="utf-8"))["predictors"]
    except (OSError, ValueError, KeyError):
        return None  # the operator is whole without them
    prefix = f"{task}/" if task else ""
    return {
        name: {metric.removeprefix(prefix): v for metric, v in values.items() if metric.startswith(prefix)}
        for name, values in predictors.items()
    }


def place(source: Path) -> Path:
    """The file that holds the operator of a run folder; a file is its own place.

    Raises:
        CheckpointError: a folder that is not a run, or that has no checkpoint yet.
    """
    if not source.exists():
        raise CheckpointError(f"{source}: there is no such run folder or file")
    if not source.is_dir() or sharded_file.is_one(source):
        return source
    if not (source / "config.yaml").is_file():
        raise CheckpointError(f"{source}: this is not the folder of a run; it has no config.yaml")
    return source / CHECKPOINT


def operators_of(content: Mapping[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """Task → what a file says of its operator; a run with one data set has one, without a name.

    Raises:
        CheckpointError: the file holds none.
    """
    found = content.get("operators") or (content.get("extra") or {}).get("operators")
    if not found:
        raise CheckpointError(
            f"{path}: this file contains no operator; give the folder of a run, one of its checkpoints, or a file "
            "that Operator.save wrote"
        )
    return dict(found)


def weights_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in a file, the moving average where there is one."""
    return {**content["model"], **(content["ema"]["average"] if content.get("ema") else {})}


def chosen(
    operators: Mapping[str, Any], task: str | None, path: Path, key: str = "task (on the command line: --task)"
) -> str:
    """The task that is meant: the one that is named, or the only one.

    Args:
        key: how one is named, for the message.

    Raises:
        CheckpointError: there are several and none is named, or no task has the name.
    """
    names = ", ".join(operators)
    if task is None and len(operators) > 1:
        raise CheckpointError(f"{path}: contains the operators of several tasks; choose one with {key}: {names}")
    name = next(iter(operators)) if task is None else task
    if name not in operators:
        raise CheckpointError(f"{path}: contains no task called {name!r}; there are: {names or 'none'}")
    return name
