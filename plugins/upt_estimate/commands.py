"""``upt estimate``: what a step of training will cost, before anything of its size is allocated."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--device", help="Whose kernels are assumed, in place of trainer.device; CUDA only where there is one.")
@click.option("--devices", default=1, show_default=True, help="Processes that train together, one device each.")
@click.option("--memory", help="Of a device, as 80GB: the largest batch and the most query points that fit are named.")
@click.option("--what-if", is_flag=True, help="Also with bf16, with activation checkpointing, decoding in chunks.")
@click.option("--plot", type=click.Path(path_type=Path), help="Picture of memory against the number of query points.")
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
    """Estimate memory, FLOPs and bytes of a step of training without taking one.

    Everything runs as in training, on tensors that have shapes and no memory. Of the data a few trajectories are read:
    the output says how many.
    """
    from upt_estimate.report import estimate_of, text

    settings = [*overrides, *([f"trainer.device={device}"] if device else [])]
    found = estimate_of(config, settings, devices, memory, what_if, plot)
    click.echo(json.dumps(found, indent=2) if as_json else text(found))
