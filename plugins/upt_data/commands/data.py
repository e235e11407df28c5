"""``upt data info``, ``upt data check``, ``upt data init`` and ``upt data convert``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core.commands import heading, table

if TYPE_CHECKING:
    from upt_core import Dataset

PROBLEMS = 1
FILES = "FILE... [data.KEY=VALUE]..."


@click.group()
def data() -> None:
    """Look at data before training on them: files, or the data of an experiment.

    \b
    upt data info FILE...              what upt finds in files, and the YAML that reads them
    upt data check FILE... | CONFIG    NaN, constant fields, duplicates, leaks between splits, outliers
    upt data init FILE... -o my.yaml   a whole experiment on files; sizes follow the data
    upt data convert FILE... OUT.zarr  the same data in one store that is fast to read

    \b
    Settings of the data set can stand behind the files: upt data info sim.npz 'data.inputs=[u, v]'
    """


@data.command()
@click.argument("files", nargs=-1, required=True, metavar=FILES, type=click.Path(path_type=Path))
@click.option(
    "--as", "name", metavar="NAME", help="The data set that reads the files; default: found from their content."
)
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a plot of the first trajectory to this file (.png)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(files: tuple[Path, ...], name: str | None, plot: Path | None, as_json: bool) -> None:
    """Show what upt finds in FILES (fields, axes, times, conditions, splits, memory), and the YAML that reads them."""
    from upt_core.commands import dump_yaml
    from upt_data.commands.description import describe
    from upt_data.commands.understand import overrides_among, understand

    files, overrides = overrides_among(files)
    found = understand(files, name, overrides)
    if not as_json and found.arrays:
        click.echo(heading("Content of the first file") + "\n" + table(found.arrays, ["ARRAY", "SHAPE", "TYPE"]) + "\n")
    yaml = dump_yaml({"data": {"name": found.name, **found.settings}})
    dataset = found.build()
    try:
        described = describe(dataset)
    except ValueError as error:
        click.echo(f"{heading('A first guess, which does not fit the data yet')}\n{yaml}", err=True)
        raise error
    if as_json:
        click.echo(json.dumps({"data": {"name": found.name, **found.settings}, **described}, indent=2, default=str))
    else:
        click.echo(
            heading(f"Read as {found.name}") + "\n" + table([[key, str(text)] for key, text in _rows(described)])
        )
        click.echo(f"\n{heading('To train on it')}\n{yaml}", nl=False)
    _say(found.doubt)
    if plot is not None:
        from upt_data.commands.picture import draw

        draw(dataset, plot)
        click.echo(f"\nplot: {plot}", err=as_json)


@data.command()
@click.argument("files", nargs=-1, required=True, metavar=FILES, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("experiment.yaml"),
    show_default=True,
    help="The file to write; an existing file is kept.",
)
@click.option(
    "--as", "name", metavar="NAME", help="The data set that reads the files; default: found from their content."
)
def init(files: tuple[Path, ...], output: Path, name: str | None) -> None:
    """Write an experiment on FILES, with a model, sampler, losses and length that suit these data."""
    from upt_core.commands import typed, write_new
    from upt_data.commands.recipe import experiment
    from upt_data.commands.understand import overrides_among, understand

    files, overrides = overrides_among(files)
    found = understand(files, name, overrides)
    write_new(output, experiment({"name": found.name, **found.settings}, found.build()))
    click.echo(f"{output}: an experiment on {found.name} data")
    _say(found.doubt)
    click.echo(f"\nnext: upt check {typed(output)}\n      upt train {typed(output)}")


def _say(doubt: str) -> None:
    if doubt:
        click.echo(f"\nremark: {doubt}", err=True)


def _rows(described: dict[str, object]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in described.items():
        rows += [(key, text) for text in value] if isinstance(value, list) else [(key, value)]
    return rows


@data.command()
@click.argument("files", nargs=-1, required=True, metavar=FILES, type=click.Path(path_type=Path))
@click.option(
    "--as", "name", metavar="NAME", help="The data set that reads the files; default: found from their content."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(files: tuple[Path, ...], name: str | None, as_json: bool) -> None:
    """Find problems of the data: NaN, constant fields, duplicates, leaks between splits, outliers.

    FILES, or the YAML file of an experiment. All trajectories of all splits are read once. Exit code 1 if anything is
    found.
    """
    from upt_data.commands.examine import examine

    found = {task: examine(dataset) for task, dataset in _datasets(files, name).items()}
    if as_json:
        click.echo(json.dumps({task: [vars(one) for one in findings] for task, findings in found.items()}, indent=2))
    for task, findings in {} if as_json else found.items():
        named = f"{task}: " if task else ""
        click.echo(heading(f"{named}{len(findings)} findings" if findings else f"{named}nothing found"))
        if findings:
            click.echo(table([[one.kind, one.place, one.text] for one in findings]))
    if any(found.values()):
        sys.exit(PROBLEMS)


@data.command()
@click.argument("files", nargs=-1, required=True, metavar=FILES, type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--as", "name", metavar="NAME", help="The data set that reads the files; default: found from their content."
)
@click.option(
    "--chunk-mb", type=click.FloatRange(min=0.01), default=2.0, show_default=True, help="Size of a chunk of the store."
)
def convert(files: tuple[Path, ...], out: Path, name: str | None, chunk_mb: float) -> None:
    """Write the data of FILES, or of an experiment's YAML file, to OUT.zarr: one store, in chunks of few time steps.

    Trajectories keep their order; splits are not part of the store. Prints the YAML that reads it.
    """
    from upt_core.commands import dump_yaml
    from upt_data.commands.to_zarr import to_zarr

    datasets = _datasets(files, name)
    if len(datasets) > 1:
        raise click.UsageError(
            f"the experiment has several tasks ({', '.join(datasets)}); convert their files one by one"
        )
    settings = to_zarr(next(iter(datasets.values())), out, chunk_mb)
    click.echo(dump_yaml({"data": settings}), nl=False)


def _datasets(files: tuple[Path, ...], name: str | None) -> dict[str, Dataset]:
    """The data sets of an experiment, by task, or the one of files; with overrides among the files."""
    from upt_data.commands.understand import overrides_among, understand

    files, overrides = overrides_among(files)
    if len(files) == 1 and files[0].suffix.lower() in (".yaml", ".yml"):
        from upt_core import Experiment

        parts = Experiment.from_yaml(files[0], overrides).parts
        return {task: part.settings.data.build() for task, part in parts.items() if part.settings.data is not None}
    return {"": understand(files, name, overrides).build()}
