"""``upt bench``: measures parts of upt beside their rivals, all in one run."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.group()
def bench() -> None:
    """Measure parts of upt beside their rivals; ratios within one run."""


@bench.command()
@click.option("--quick", is_flag=True, help="Small sizes, under a minute: shows that all works; figures mean nothing.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("bench/samplers"), show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of real data; left out: $UPT_TEST_DATA.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
def samplers(quick: bool, out: Path, data: Path | None, device: str) -> None:
    """Speed and variance of samplers against N, their rivals and their goals.

    Without real data, fields that upt solves itself take their place, and goals that belong to real data are left
    out. The table goes to the terminal; results.json and plots into the folder. Takes about a quarter of an hour.
    """
    from rich.console import Console

    from upt_bench.samplers import run
    from upt_bench.setting import Setting
    from upt_bench.table import print_figures
    from upt_core import UserError
    from upt_core.commands import resolve_device

    named = data or (Path(os.environ["UPT_TEST_DATA"]) if os.environ.get("UPT_TEST_DATA") else None)
    if named is not None and not named.is_dir():
        raise UserError(f"--data {named}: no such folder; name a folder of real data sets, or leave it out")
    console = Console()
    with console.status("") as status:
        results = run(Setting(resolve_device(device), named, quick, status.update), out)
    print_figures(results, console, "upt bench samplers")
    click.echo(f"{out / 'results.json'}, speed.png, variance.png")


@bench.command()
@click.option("--quick", is_flag=True, help="Small sizes, seconds: shows that all works; figures mean nothing.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("bench/losses"), show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
def losses(quick: bool, out: Path, device: str) -> None:
    """Time and memory of the losses against the number of query points.

    On a grid of 64 × 64 points, 10 samples, a decoder of width 256. Takes about five minutes and 8 GB of memory.
    """
    from rich.console import Console

    from upt_bench.losses import run
    from upt_bench.setting import Setting
    from upt_bench.table import print_figures
    from upt_core.commands import resolve_device

    console = Console()
    with console.status("") as status:
        results = run(Setting(resolve_device(device), None, quick, status.update), out)
    print_figures(results, console, "upt bench losses")
    click.echo(f"{out / 'results.json'}, costs.png")
