"""``upt evaluate``: an operator beside the truth and the baselines, on a split of its own data or on other data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upt_core.cli.completion import input_files
from upt_core.cli.load import import_torch
from upt_core.cli.predict import resolution_of
from upt_core.errors import UserError

if TYPE_CHECKING:
    from upt_core.operator.evaluation import Evaluation
    from upt_core.operator.operator import Operator
    from upt_core.operator.rollout import Space
    from upt_core.run.evaluate import Asked
    from upt_core.run.inputs import Part


@click.command()
@click.argument("operator", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, metavar="[INPUT|data.KEY=VALUE]...", shell_complete=input_files)
@click.option(
    "--split",
    type=click.Choice(["test", "valid", "train", "all"]),
    help="Split of the operator's own data; default: test, or all of an INPUT.",
)
@click.option(
    "--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Checkpoint of a run."
)
@click.option("--resolution", help="Points along each axis of inputs and truth: 512, 128x128.")
@click.option("--steps", type=click.IntRange(min=1), help="Time steps of the rollout; default: as in validation.")
@click.option(
    "--space",
    type=click.Choice(["latent", "physical"]),
    help="Rollouts advance the latent, or encode each prediction again; default: as in validation.",
)
@click.option(
    "--metrics",
    multiple=True,
    help="Names separated by commas, or '{name: …, …}', or LABEL='{…}'; may be repeated. Default: as in validation.",
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Samples of a batch; the figures do not depend on it.")
@click.option("--device", help="auto, cpu, cuda, cuda:1, mps; default: as in the run.")
@click.option("--task", help="The task, if the run has several; default: all.")
@click.option("--json", "as_json", type=click.Path(path_type=Path), help="Write JSON to this file; -: print only JSON.")
@click.option(
    "--csv",
    "as_csv",
    type=click.Path(path_type=Path),
    help="Write a CSV row for each sample, time step and field to this file.",
)
def evaluate(
    operator: Path,
    inputs: tuple[str, ...],
    split: Part | None,
    checkpoint: str,
    resolution: str | None,
    steps: int | None,
    space: Space | None,
    metrics: tuple[str, ...],
    batch_size: int | None,
    device: str | None,
    task: str | None,
    as_json: Path | None,
    as_csv: Path | None,
) -> None:
    """Compare an OPERATOR (a run folder, or a file) and its baselines with the truth."""
    files = [Path(text) for text in inputs if "=" not in text or Path(text).exists()]
    overrides = tuple(text for text in inputs if Path(text) not in files)
    if len(files) > 1:
        raise UserError("evaluate one INPUT at a time; a folder or a pattern can name several files of one data set")
    if files and split is not None:
        raise UserError(
            "all of an INPUT is evaluated; leave --split out, or leave INPUT out to evaluate a split of the run's own "
            "data"
        )
    shape = resolution_of(resolution)
    import_torch()
    from upt_core.operator.load import chosen
    from upt_core.run.evaluate import Asked, operators_on

    asked = Asked(
        split or "test",
        files[0] if files else None,
        overrides,
        (shape,) if isinstance(shape, int) else shape,
        steps,
        space,
        metrics_of(metrics),
        batch_size,
    )
    operators = operators_on(operator, checkpoint, device)
    tasks = list(operators) if task is None else [chosen(operators, task, operator)]
    if len(tasks) > 1 and as_csv is not None:
        raise UserError(f"a run of several tasks has a CSV file for each; choose one with --task: {', '.join(tasks)}")
    done = []
    for name in tasks:
        found = _evaluated(operators[name], asked)
        about = {
            "operator": str(operator), "checkpoint": checkpoint if operator.is_dir() else None, "task": name or None,
            "input": str(asked.path) if asked.path else None, "split": None if asked.path else asked.split,
            "overrides": list(overrides), "resolution": asked.resolution, "steps": steps, "space": space,
        }  # fmt: skip
        done.append((found, about))
        if as_json != Path("-"):
            _show(found, _title(operator, checkpoint, name, asked), as_csv)
    _write_json(done, as_json)


def _evaluated(operator: Operator, asked: Asked) -> Evaluation:
    from upt_core.cli.samples import samples_bar
    from upt_core.remarks import remark
    from upt_core.run.evaluate import evaluate_operator

    with samples_bar() as told:
        found = evaluate_operator(operator, asked, told)
    for text in found.remarks:
        remark(text)
    return found


def _show(found: Evaluation, title: str, as_csv: Path | None) -> None:
    from upt_core.cli.evaluation import shown
    from upt_core.run.evaluation_files import write_csv

    click.echo(shown(found, title))
    if as_csv is not None:
        write_csv(found, as_csv)


def _write_json(done: Sequence[tuple[Evaluation, Mapping[str, Any]]], path: Path | None) -> None:
    """One evaluation as itself; those of several tasks as a list."""
    if path is None:
        return
    from upt_core.run.evaluation_files import plain, write_plain

    content = [plain(found, about) for found, about in done]
    text = json.dumps(content[0] if len(content) == 1 else content, indent=2, ensure_ascii=False)
    if path == Path("-"):
        click.echo(text)
    else:
        write_plain(text + "\n", path)


def _title(operator: Path, checkpoint: str, task: str, asked: Asked) -> str:
    what = f"{checkpoint} checkpoint, " if operator.is_dir() else ""
    split = "all splits" if asked.split == "all" else f"{asked.split} split"
    data = split if asked.path is None else str(asked.path)
    parts = [f"{operator}: {what}{data}"]
    parts += [f"task {task}"] if task else []
    parts += [f"at {'x'.join(map(str, asked.resolution))} points"] if asked.resolution else []
    parts += [f"{asked.steps} time steps"] if asked.steps else []
    parts += [f"rolled out in {asked.space} space"] if asked.space else []
    return ", ".join(parts)


def metrics_of(texts: Sequence[str]) -> dict[str, Any] | None:
    """Label → a metric's name or settings; None where nothing is named.

    Raises:
        UserError: a text is not a name, names, or settings.
    """
    found: dict[str, Any] = {}
    for text in texts:
        before, brace, rest = text.partition("{")
        if not brace:
            found |= {name.strip(): name.strip() for name in text.split(",") if name.strip()}
            continue
        settings = _settings(brace + rest, text)
        found[before.strip().removesuffix("=") or settings["name"]] = settings
    if texts and not found:
        raise UserError("--metrics names no metric")
    return found or None


def _settings(spec: str, text: str) -> dict[str, Any]:
    from yaml import YAMLError, safe_load

    try:
        settings = safe_load(spec)
    except YAMLError:
        settings = None
    if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
        raise UserError(f"--metrics {text}: expected NAME, or LABEL={{name: NAME, KEY: VALUE}} in quotes")
    return settings
