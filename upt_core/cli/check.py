"""``upt check``: everything that ``upt train`` does before the first step, and what it found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from upt_core.cli.completion import config_then_keys
from upt_core.cli.load import experiment_of
from upt_core.cli.problems import as_json as problems_as_json
from upt_core.cli.text import fold, heading, indent, table, terminal_width
from upt_core.figures import count, number

INDENT = 2
"""Blanks before what stands below a heading."""


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...", shell_complete=config_then_keys)
@click.option("--device", help="auto, cpu, cuda, cuda:1, mps; the same as trainer.device=….")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for problems too.")
@click.option("--no-third-party", is_flag=True, help="Use only upt's own plugins; third-party code is not imported.")
def check(config: Path, overrides: tuple[str, ...], device: str | None, as_json: bool, no_third_party: bool) -> None:
    """Check an experiment without training it.

    Validates the configuration, opens the data, builds the model and the loss terms, and checks on one batch that
    every loss term trains something.
    """
    with problems_as_json(as_json):
        settings = [*overrides, *([f"trainer.device={device}"] if device else [])]
        experiment = experiment_of(config, settings, not no_third_party)
        from upt_core.cli.description import describe

        found = describe(experiment)
    click.echo(json.dumps(found, indent=2) if as_json else _text(str(config), found))


def _text(config: str, found: dict[str, Any]) -> str:
    parts = [heading(f"{config}: ready to train")]
    for task, own in found.get("tasks", {"": found}).items():
        named = f"Task {task}: " if task else ""
        parts += [heading(named + title) + "\n" + indent(body, INDENT) for title, body in _sections(own).items()]
    return "\n\n".join(parts)


def _sections(found: dict[str, Any]) -> dict[str, str]:
    sections = {
        f"Data: {found['data']['name']}": _data(found["data"]),
        f"Model: {count(found['model']['parameters'])} parameters": _model(found["model"]),
    }
    for stage in found["stages"]:
        of = f" of stage {stage['name']}" if stage["name"] else ""
        frozen = f" (frozen: {', '.join(stage['freeze'])})" if stage["freeze"] else ""
        sections[f"Losses{of}{frozen}"] = _losses(stage["losses"])
        sections[f"Training{of}"] = _training(stage["training"])
        if stage["remarks"]:
            sections[f"Remarks{of}"] = fold("\n".join(f"- {text}" for text in stage["remarks"]), _room())
    return sections


def _room() -> int | None:
    """Columns beside the indentation; None where output goes elsewhere."""
    width = terminal_width()
    return width - INDENT if width else None


def _data(data: dict[str, Any]) -> str:
    shape = _shape(data["grid_shape"])
    axes = ", ".join(
        f"{number(length)}{' periodic' if periodic else ''}"
        for length, periodic in zip(data["extent"], data["periodic"], strict=True)
    )
    rows = [["fields", ", ".join(data["inputs"]) + " → " + ", ".join(data["targets"])]]
    rows.append(["points", f"{shape} ({count(data['points'])} points), extent {axes}"])
    if "target_points" in data:
        rows.append(["targets at", f"{_shape(data['target_grid'])} ({count(data['target_points'])} points)"])
    if data["mean"] == "space" or not data.get("target_grid", data["grid_shape"]):
        cells = ", by the cells around points" if data["mean"] == "space" else ""
        rows.append(["means", f"over {data['mean']}{cells}"])
    for split, sizes in data["splits"].items():
        trajectories = _many(sizes["trajectories"], "trajectory", "trajectories")
        rows.append([split, f"{trajectories}, {_many(sizes['samples'], 'sample', 'samples')}"])
    if data["history"] > 1:
        rows.append(["history", f"the encoder sees {data['history']} time steps"])
    if data["bundle"] > 1:
        rows.append(["bundle", f"one call takes and predicts {data['bundle']} time steps"])
    if data["condition"]:
        rows.append(["conditions", ", ".join(data["condition"])])
    rows += [["remark", text] for text in data["remarks"]]
    return table(rows, width=_room())


def _shape(grid: list[int] | None) -> str:
    return " × ".join(map(str, grid)) if grid else "scattered"


def _model(model: dict[str, Any]) -> str:
    rows = [[part, values["name"], count(values["parameters"])] for part, values in model["parts"].items()]
    tokens = " × ".join(map(str, model["latent"]["lattice"] or [model["latent"]["tokens"]]))
    latent = f"{tokens} tokens of width {model['latent']['dim']}"
    remark = f"\nencoder: {model['remark']}" if model["remark"] else ""
    return (
        table(rows, right=[2], width=_room())
        + "\n"
        + fold("\n".join([f"latent state: {latent}{remark}", *model["start"]]), _room())
    )


def _losses(losses: list[dict[str, Any]]) -> str:
    rows = []
    for loss in losses:
        if loss["off"]:
            rows.append([loss["name"], loss["term"], "0 (off)", "", "", "", ""])
            continue
        rows.append(
            [
                loss["name"],
                loss["term"],
                _change(*loss["weight"]),
                "each" if loss["every"] == 1 else f"each {loss['every']}.",
                loss["sampler"] or "all points",
                _change(*loss["queries"]),
                ", ".join(loss["trains"]),
            ]
        )
    return table(rows, ["NAME", "TERM", "WEIGHT", "BATCH", "SAMPLER", "POINTS", "TRAINS"], width=_room())


def _change(first: float, last: float) -> str:
    return number(first) if first == last else f"{number(first)} → {number(last)}"


def _training(training: dict[str, Any]) -> str:
    rows = [
        ["steps", f"{training['epochs']} epochs of {training['steps_per_epoch']} batches of {training['batch_size']}"],
        ["optimizer", training["optimizer"]],
        ["device", f"{training['device']}, {training['precision']}"],
        ["metrics", ", ".join(training["metrics"]) + f" (best checkpoint by {training['monitor']})"],
    ]
    return table(rows, width=_room())


def _many(number: int, one: str, several: str) -> str:
    return f"{count(number)} {one if number == 1 else several}"
