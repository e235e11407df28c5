"""``upt predict``: a trained operator's answers for new inputs, at any points, in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core.cli.completion import input_files
from upt_core.cli.load import import_torch
from upt_core.errors import UserError
from upt_core.figures import count, duration, many

if TYPE_CHECKING:
    from upt_core.operator.cases import Request
    from upt_core.operator.operator import Operator
    from upt_core.operator.rollout import Space
    from upt_core.run.inputs import Part
    from upt_core.run.predict import Done, Told


@click.command()
@click.argument("operator", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, metavar="[INPUT|data.KEY=VALUE]...", shell_complete=input_files)
@click.option("--split", type=click.Choice(["train", "valid", "test", "all"]), help="Split of the operator's own data.")
@click.option("--steps", type=click.IntRange(min=1), help="Time steps to predict; default: as many as the data have.")
@click.option(
    "--space",
    type=click.Choice(["latent", "physical"]),
    default="latent",
    show_default=True,
    help="Continue from each latent, or encode each prediction again.",
)
@click.option(
    "--at", type=click.Path(path_type=Path), help="Points to predict at, in physical units: .npy, .npz or .csv."
)
@click.option("--resolution", help="Points along each axis of a grid to predict at: 512, 128x128.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File (.npz, .h5, .nc, .pvd, .vtu, .vtk), or a folder."
)
@click.option(
    "--format",
    "ending",
    type=click.Choice(["npz", "h5", "nc", "pvd"]),
    default="npz",
    help="Format of the files in an output folder.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a plot (.png); for several time steps also a film."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Samples predicted at a time."
)
@click.option("--chunk", type=click.IntRange(min=1), default=1 << 16, help="Points decoded at a time.")
@click.option("--task", help="The task, if the run has several.")
def predict(
    operator: Path,
    inputs: tuple[str, ...],
    split: Part | None,
    steps: int | None,
    space: Space,
    at: Path | None,
    resolution: str | None,
    output: Path | None,
    ending: str,
    plot: Path | None,
    device: str,
    batch_size: int,
    chunk: int,
    task: str | None,
) -> None:
    """Predict with a trained OPERATOR (a run folder, or a file) for files, or for a split of its own data."""
    files = [Path(text) for text in inputs if "=" not in text or Path(text).exists()]
    overrides = [text for text in inputs if Path(text) not in files]
    _check_asked(files, split, at, resolution, output, plot)
    import_torch()
    from upt_core.cli.samples import samples_bar
    from upt_core.operator.cases import Request
    from upt_core.operator.load import load
    from upt_core.precision import resolve_device
    from upt_core.run.inputs import read_points

    where = read_points(at) if at is not None else resolution_of(resolution)
    request = Request(steps, space, where, batch_size, chunk)
    loaded = load(operator, task, resolve_device(device))
    with samples_bar() as told:
        found = _ask(loaded, operator, files, split, output, ending, overrides, request, told)
        _say(found, len(files) or 1, plot)


def _check_asked(
    files: list[Path],
    split: str | None,
    at: Path | None,
    resolution: str | None,
    output: Path | None,
    plot: Path | None,
) -> None:
    """Refuses options that contradict each other."""
    if bool(files) == (split is not None):
        raise UserError("give either INPUT files, or --split of the operator's own data")
    if at is not None and resolution is not None:
        raise UserError("--at and --resolution both set the points to predict at; give one of them")
    if output is None and plot is None:
        raise UserError("name an output: -o FILE or FOLDER, --plot FILE.png, or both")
    if len(files) > 1 and (output is None or output.suffix or plot is not None):
        raise UserError("several inputs need one output each: give a folder with -o, and leave --plot out")
    if plot is not None and plot.suffix != ".png":
        raise UserError(f"{plot}: plots are written as .png; choose a name that ends in .png")


def resolution_of(resolution: str | None) -> int | tuple[int, ...] | None:
    """Points along each axis: ``512`` stands for all axes, ``128x64`` names each.

    Raises:
        UserError: it is written otherwise.
    """
    if resolution is None:
        return None
    parts = resolution.lower().split("x")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"--resolution is {resolution!r}; expected points along each axis, for example 512 or 128x128")
    sizes = tuple(int(part) for part in parts)
    return sizes[0] if len(sizes) == 1 else sizes


def _ask(
    loaded: Operator,
    source: Path,
    files: list[Path],
    split: Part | None,
    output: Path | None,
    ending: str,
    overrides: list[str],
    request: Request,
    told: Told,
) -> Iterable[Done]:
    from upt_core.run.inputs import of_file
    from upt_core.run.predict import about, predict_files, predict_one, predict_split

    folder = output is not None and not output.suffix
    if split is not None:
        target = output / f"{split}.{ending}" if output is not None and folder else output
        return iter([predict_split(loaded, source, split, target, overrides, request, told)])
    if output is not None and folder:
        return predict_files(loaded, source, files, output, f".{ending}", overrides, request, told)
    only = files[0]
    return iter([predict_one(lambda: of_file(loaded, only, overrides, request), output, about(source, only), told)])


def _say(found: Iterable[Done], total: int, plot: Path | None) -> None:
    from upt_core.remarks import remark

    for number, done in enumerate(found, 1):
        prefix = f"{number}/{total}  " if total > 1 else ""
        if done.answers is None:
            click.echo(f"{prefix}{done.path}: is already complete; left unchanged")
            continue
        for text in done.answers.remarks:
            remark(text)
        times = 1 if done.answers.times is None else done.answers.times.shape[-1]
        made = done.answers.samples * times
        click.echo(
            f"{prefix}{done.path or 'predicted'}: {many(done.answers.samples, 'sample')}, {many(times, 'time step')}, "
            f"{many(done.answers.num_points, 'point')}; {duration(done.seconds)}, "
            f"{count(round(made / max(done.seconds, 1e-9)))} fields/s"
        )
        if plot is not None:
            from upt_core.report.predicted import draw

            for path in draw(done.answers, plot):
                click.echo(str(path))
