"""``upt estimate``: what a step of training will cost, before anything of its size is allocated."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--device", help="Device whose kernels are assumed, instead of trainer.device; CUDA only if available.")
@click.option("--devices", default=1, show_default=True, help="Processes that train together, one device each.")
@click.option(
    "--memory", help="Memory of a device, such as 80GB; prints the largest batch and the most query points that fit."
)
@click.option(
    "--what-if",
    is_flag=True,
    help="Also estimate with bf16, with activation checkpointing and with decoding in chunks.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a plot of memory against the number of query points."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def estimate(
    config: Path,
    overrides: tuple[str, ...],
    device: str | None,
    devices: int,
    memory: str | None,
    what_if: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Estimate memory, FLOPs and bytes of a training step without running it.

    Everything runs as in training, on tensors that have shapes and no memory. A few trajectories of the data are read;
    the output says how many.
    """
    from upt_estimate.report import estimate_of, text

    settings = [*overrides, *([f"trainer.device={device}"] if device else [])]
    found = estimate_of(config, settings, devices, memory, what_if, plot)
    click.echo(json.dumps(found, indent=2) if as_json else text(found))
