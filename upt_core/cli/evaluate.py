"""``upt evaluate``: metrics of a run's checkpoint, beside the baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core.cli.text import heading, results_table

if TYPE_CHECKING:
    from upt_core.operator.rollout import Space
    from upt_core.trajectory import Split


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["test", "valid", "train"]), default="test", show_default=True)
@click.option("--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True)
@click.option("--steps", type=click.IntRange(min=1), help="Time steps of the rollout; left out: as in validation.")
@click.option(
    "--space",
    type=click.Choice(["latent", "physical"]),
    help="Rollouts move the latent on, or encode each prediction again; left out: as in validation.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:1, mps; left out: as in the run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    run: Path, split: Split, checkpoint: str, steps: int | None, space: Space | None, device: str | None, as_json: bool
) -> None:
    """Compute the metrics of a run's checkpoint on a split, beside the baselines."""
    from upt_core.run.experiment import evaluate_run

    results = evaluate_run(run, split, checkpoint, steps, device, space)
    if as_json:
        found = {"run": str(run), "split": split, "checkpoint": checkpoint, "steps": steps, "predictors": results}
        click.echo(json.dumps(found, indent=2))
        return
    rollout = (f", {steps} time steps" if steps else "") + (f", rolled out in {space} space" if space else "")
    click.echo(heading(f"{run}: {checkpoint} checkpoint, {split} split{rollout}"))
    click.echo(results_table(results))
