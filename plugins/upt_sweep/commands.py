"""``upt sweep``: many runs of one experiment over a space of values."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core import UserError
from upt_core.commands import INTERRUPTED, heading, table, typed

if TYPE_CHECKING:
    from upt_sweep.study import Study


@click.command()
@click.argument("sweep", type=click.Path(path_type=Path))
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of trials at the same time."
)
@click.option("--storage", metavar="URL", help="Optuna storage for several machines; default: SQLite in the folder.")
@click.option("--sweep-dir", type=click.Path(path_type=Path), help="Folder of the runs; default: in `output`.")
@click.option(
    "--resume", is_flag=True, help="Continue the sweep: finished trials are kept, interrupted trials run again."
)
@click.option("--redo-running", is_flag=True, help="With --resume: run the trials of stopped machines again, too.")
def sweep(
    sweep: Path, workers: int, storage: str | None, sweep_dir: Path | None, resume: bool, redo_running: bool
) -> None:
    """Run an experiment at many points of a space.

    SWEEP is a YAML file that names the experiment and the values to try. Every trial has its own run folder.

    \b
    upt sweep sweep.yaml --workers 2
    upt sweep sweep.yaml --resume
    """
    if redo_running and not resume:
        raise click.UsageError("--redo-running needs --resume")
    if find_spec("optuna") is None:
        raise UserError("upt sweep needs Optuna, which is not installed: pip install 'upt-core[sweep]'")
    from upt_sweep.file import read_sweep
    from upt_sweep.workers import run_sweep

    found = read_sweep(sweep)
    try:
        study = run_sweep(found, sweep_dir, storage, workers, resume, redo_running)
    except KeyboardInterrupt:
        click.echo(f"interrupted; continue with: {_again(sweep, storage, sweep_dir)}", err=True)
        sys.exit(INTERRUPTED)
    _summarise(study)


def _again(sweep: Path, storage: str | None, sweep_dir: Path | None) -> str:
    words = ["upt sweep", typed(sweep), "--resume"]
    words += ["--sweep-dir", typed(sweep_dir)] if sweep_dir else []
    return " ".join([*words, *(["--storage", "URL"] if storage else [])])


def _summarise(study: Study) -> None:
    from upt_sweep.outcome import rows, table_cells, write_csv
    from upt_sweep.picture import write_pictures

    header, lines = table_cells(study)
    click.echo(f"\n{heading(f'Best {study.sweep.metric} on the validation split')}")
    click.echo(table(lines, header, right=[0, 2]))
    path, picture = write_csv(study), write_pictures(study)
    found = rows(study)
    places = [["all trials", str(path)], *([["picture", str(picture)]] if picture else [])]
    click.echo(f"\n{table(places)}")
    running = [row for row in found if row.state == "running"]
    if running:
        numbers = ", ".join(str(row.number) for row in running)
        click.echo(
            f"marked as running elsewhere: trial {numbers}; if that machine died: "
            "upt sweep … --resume --redo-running runs them again"
        )
