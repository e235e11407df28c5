"""``upt bench``: measures parts of upt beside their rivals, all in one run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click


def out_option(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--out`` with its default."""
    folder = click.Path(path_type=Path)
    return click.option("--out", type=folder, default=Path(default), show_default=True, help="Folder of the results.")


@click.group()
def bench() -> None:
    """Measure parts of upt beside their rivals; ratios within one run."""


@bench.command()
@click.option("--quick", is_flag=True, help="Small sizes, under a minute: shows that all works; figures mean nothing.")
@out_option("bench/samplers")
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
    from upt_core.commands import resolve_device

    console = Console()
    with console.status("") as status:
        results = run(Setting(resolve_device(device), _data_folder(data), quick, status.update), out)
    print_figures(results, console, "upt bench samplers")
    click.echo(f"{out / 'results.json'}, speed.png, variance.png")


@bench.command()
@click.option("--quick", is_flag=True, help="Small sizes, seconds: shows that all works; figures mean nothing.")
@out_option("bench/losses")
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


@bench.command()
@click.option("--quick", is_flag=True, help="Small sizes, seconds: shows that all works; figures mean nothing.")
@out_option("bench/inverse")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of real data; left out: $UPT_TEST_DATA.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
def inverse(quick: bool, out: Path, data: Path | None, device: str) -> None:
    """What inverse_decoding costs and brings, by what it reads.

    A step with three losses beside the plain way of writing it, and test errors after equal processor time on three
    data sets. Takes about twenty minutes and 6 GB of memory.
    """
    from rich.console import Console

    from upt_bench.inverse import run
    from upt_bench.setting import Setting
    from upt_bench.table import print_figures
    from upt_core.commands import resolve_device

    console = Console()
    with console.status("") as status:
        results = run(Setting(resolve_device(device), _data_folder(data), quick, status.update), out)
    print_figures(results, console, "upt bench inverse")
    click.echo(f"{out / 'results.json'}")


@bench.command("estimate")
@click.option("--quick", is_flag=True, help="One experiment: shows that all works.")
@out_option("bench/estimate")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
def estimates(quick: bool, out: Path, device: str) -> None:
    """Peak memory as `upt estimate` foresees it beside the measured one, of twelve experiments.

    Takes about five minutes.
    """
    from rich.console import Console

    from upt_bench.estimates import run
    from upt_bench.setting import Setting
    from upt_bench.table import print_figures
    from upt_core.commands import resolve_device

    console = Console()
    with console.status("") as status:
        results = run(Setting(resolve_device(device), None, quick, status.update), out)
    print_figures(results, console, "upt bench estimate")
    click.echo(f"{out / 'results.json'}")


@bench.command()
@click.option("--quick", is_flag=True, help="Small sizes, seconds: shows that all works; figures mean nothing.")
@out_option("bench/loop")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
def loop(quick: bool, out: Path, device: str) -> None:
    """The trainer beside a bare loop with the same losses, on the main example; how long a checkpoint stalls it.

    Takes about five minutes.
    """
    from rich.console import Console

    from upt_bench.loop import run
    from upt_bench.setting import Setting
    from upt_bench.table import print_figures
    from upt_core.commands import resolve_device

    console = Console()
    with console.status("") as status:
        results = run(Setting(resolve_device(device), None, quick, status.update), out)
    print_figures(results, console, "upt bench loop")
    click.echo(f"{out / 'results.json'}")


@bench.command()
@click.option("--quick", is_flag=True, help="Small sizes, seconds: shows that all works; figures mean nothing.")
@out_option("bench/neighbours")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of real data; left out: $UPT_TEST_DATA.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
def neighbours(quick: bool, out: Path, data: Path | None, device: str) -> None:
    """Training steps with supernodes at more and more points, and ways to search.

    Without real data, made-up points take the place of the flow's. Takes about five minutes.
    """
    from rich.console import Console

    from upt_bench.neighbours import run
    from upt_bench.setting import Setting
    from upt_bench.table import print_figures
    from upt_core.commands import resolve_device

    console = Console()
    with console.status("") as status:
        results = run(Setting(resolve_device(device), _data_folder(data), quick, status.update), out)
    print_figures(results, console, "upt bench neighbours")
    click.echo(f"{out / 'results.json'}, neighbours.png")


@bench.command()
@click.option("--quick", is_flag=True, help="Small sizes, a minute: shows that all works; figures mean nothing.")
@out_option("bench/quality")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of real data; left out: $UPT_TEST_DATA.")
@click.option("--tasks", help="Names with commas between them; left out: all that need no missing file.")
@click.option("--operators", help="Names with commas between them; left out: upt and its rivals.")
@click.option("--seeds", default="0", show_default=True, help="Numbers with commas between them.")
@click.option("--seconds", type=float, help="Another budget than that of the configurations.")
@click.option("--jobs", default=1, show_default=True, help="Processes at once, one thread each.")
@click.option(
    "--split",
    type=click.Choice(["test", "valid"]),
    default="test",
    show_default=True,
    help="Trajectories to judge on; valid to choose between configurations.",
)
@click.option("--set", "changes", multiple=True, help="KEY=VALUE of the configurations, to compare; may be repeated.")
def quality(
    quick: bool,
    out: Path,
    data: Path | None,
    tasks: str | None,
    operators: str | None,
    seeds: str,
    seconds: float | None,
    jobs: int,
    split: Literal["test", "valid"],
    changes: tuple[str, ...],
) -> None:
    """How accurate trained operators are, at equal processor seconds.

    Data sets times operators times seeds, each trained in a process of its own and judged on unseen trajectories: one
    step, rollouts, spectra, between the points, at twice the resolution. What the folder has already is not measured
    again, so a run that was interrupted goes on. Takes a few minutes for each cell. What --split valid or --set gave is
    kept in results.json, and not shown in tables and plots.
    """
    from rich.console import Console

    from upt_bench.quality.plan import cells_of
    from upt_bench.quality.run import run
    from upt_bench.setting import Setting
    from upt_bench.table import print_figures
    from upt_core.commands import resolve_device

    cells = cells_of(tasks, operators, seeds, _data_folder(data), quick, seconds, split, changes)
    console = Console()
    with console.status("") as status:
        setting = Setting(resolve_device("cpu"), _data_folder(data), quick, status.update)
        results = run(cells, setting, out, jobs)
    print_figures(results, console, "upt bench quality")
    click.echo(f"{out / 'results.json'}, rollouts.png")


def _data_folder(named: Path | None) -> Path | None:
    """The folder of real data, named or of the environment.

    Raises:
        UserError: there is no such folder.
    """
    from upt_core import UserError

    folder = named or (Path(os.environ["UPT_TEST_DATA"]) if os.environ.get("UPT_TEST_DATA") else None)
    if folder is not None and not folder.is_dir():
        raise UserError(f"--data {folder}: no such folder; name a folder of real data sets, or leave it out")
    return folder
