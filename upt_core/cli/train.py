"""``upt train``: trains an experiment, or goes on with a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core.cli.completion import config_then_keys
from upt_core.cli.group import INTERRUPTED, USER_ERROR
from upt_core.cli.load import experiment_of, import_torch, plugins_to_use
from upt_core.cli.output import lasting_output
from upt_core.cli.text import heading, results_table, table
from upt_core.figures import duration, number
from upt_core.wording import typed

if TYPE_CHECKING:
    from upt_core.cli.record import Record
    from upt_core.processes import Processes
    from upt_core.run.built import Results
    from upt_core.run.experiment import Experiment


@click.command()
@click.argument("arguments", nargs=-1, metavar="CONFIG [KEY.PATH=VALUE]...", shell_complete=config_then_keys)
@click.option("--run-dir", type=click.Path(path_type=Path), help="The run's folder; default: a new one in `output`.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Continue this run folder; without RUN, the newest run of CONFIG, or a new run if there is none.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:1, mps; the same as trainer.device=….")
@click.option("--no-third-party", is_flag=True, help="Use only upt's own plugins; third-party code is not imported.")
def train(
    arguments: tuple[str, ...], run_dir: Path | None, resume: str | None, device: str | None, no_third_party: bool
) -> None:
    """Train an experiment.

    KEY.PATH=VALUE sets a value of the configuration for this run, for example trainer.epochs=3.

    \b
    upt init burgers.yaml --from burgers
    upt train burgers.yaml trainer.epochs=3 sampler.base.num_queries=32
    upt train --resume runs/burgers-20250131-120000
    upt train burgers.yaml --resume
    torchrun --nproc-per-node 4 -m upt_core train burgers.yaml
    """
    from upt_core.processes import OtherProcessError, joined

    try:
        with joined() as processes:
            with processes.agreed(), _heard(processes):
                experiment, going_on = _experiment(arguments, run_dir, resume, device, not no_third_party)
            with lasting_output():
                _train(experiment, going_on, run_dir, processes)
    except OtherProcessError:
        sys.exit(USER_ERROR)  # the process that failed has said why


def _train(experiment: Experiment, resume: Path | None, run_dir: Path | None, processes: Processes) -> None:
    from upt_core.cli.progress import display
    from upt_core.cli.record import Record
    from upt_core.interrupt import Interrupted
    from upt_core.report.listener import ReportWriter

    record, name = Record(), resume.resolve().name if resume else experiment.name
    listeners = [record, display(name), ReportWriter()] if processes.is_first else []
    try:
        run = experiment.train(resume or run_dir, resume=resume is not None, listeners=listeners, progress=False)
        if processes.is_first:
            _summarise(record, run.results, record.run_dir or resume)
    except KeyboardInterrupt as error:
        if processes.is_first:
            click.echo(_how_to_go_on(record, processes, resume), err=True)
        sys.exit(128 + error.number if isinstance(error, Interrupted) else INTERRUPTED)


def _heard(processes: Processes) -> AbstractContextManager[object]:
    """Of several processes the first alone says how it reads the configuration."""
    return nullcontext() if processes.is_first else redirect_stderr(StringIO())


def _experiment(
    arguments: tuple[str, ...], run_dir: Path | None, resume: str | None, device: str | None, third_party: bool
) -> tuple[Experiment, Path | None]:
    """The experiment of a configuration, or of the run that goes on, with that run's folder."""
    overrides = [f"trainer.device={device}"] if device else []
    if resume is None:
        if not arguments:
            raise click.UsageError("CONFIG is missing: the YAML file of an experiment, or --resume RUN")
        from upt_core.run.earlier import holds_a_run

        if run_dir is not None and holds_a_run(run_dir):
            raise click.UsageError(
                f"{run_dir} already contains a run; continue it with --resume {typed(run_dir)}, or name another folder"
            )
        if run_dir is not None and (run_dir / "index.html").exists() and not (run_dir / "config.yaml").exists():
            raise click.UsageError(
                f"{run_dir} contains an index.html that no run wrote, and the report would overwrite it; name another "
                "folder"
            )
        return experiment_of(arguments[0], [*arguments[1:], *overrides], third_party), None
    if run_dir is not None:
        raise click.UsageError("--resume continues in the run's own folder; remove --run-dir")
    if resume == "" or "=" in resume or Path(resume).is_file():  # what follows the option is its value, or is not
        return _newest([*arguments, *([resume] if resume else [])], overrides, third_party)
    for argument in arguments:
        if "=" not in argument:
            raise click.UsageError(f"--resume uses the run's own configuration; remove {argument}")
    import_torch()
    from upt_core.run.experiment import load_run

    run = Path(resume)
    return load_run(run, [*arguments, *overrides], None if third_party else plugins_to_use(third_party=False)), run


def _newest(arguments: Sequence[str], overrides: Sequence[str], third_party: bool) -> tuple[Experiment, Path | None]:
    """The experiment of a configuration, with the folder of its newest run; None: it begins."""
    files = [argument for argument in arguments if "=" not in argument]
    if len(files) != 1:
        raise click.UsageError("--resume needs the folder of a run, or a CONFIG, whose newest run is then continued")
    overrides = [*(argument for argument in arguments if "=" in argument), *overrides]
    experiment = experiment_of(files[0], overrides, third_party)
    from upt_core.run.newest import newest_run

    run = newest_run(experiment)
    where = f"in {experiment.output_dir()}"
    click.echo(f"no run of {experiment.name} {where}: one begins" if run is None else f"continuing {run}")
    return experiment, run


def _summarise(record: Record, results: Results, run_dir: Path | None) -> None:
    """The table at the end; the report is written last, so that nothing it meets can hide the results."""
    from upt_core import report
    from upt_core.interrupt import Interrupted, at_once
    from upt_core.report.load import load
    from upt_core.whole_file import in_words

    click.echo(f"\n{heading('Test split')}")
    click.echo(results_table(results))
    rows = [["run folder", str(run_dir)]]
    if record.run_dir is not None:
        rows = [["epochs", record.length], ["time", duration(record.seconds)], *rows]
    else:
        before = load(run_dir) if run_dir is not None else None
        rows = [["epochs", f"{before.epochs_done} of {before.epochs}, trained before" if before else "0"], *rows]
    if record.best_epoch is not None and record.best is not None:
        rows.insert(
            0, ["best epoch", f"{record.best_epoch} ({record.monitor} {number(record.best)}, validation split)"]
        )
    click.echo()
    click.echo(table(rows))
    assert run_dir is not None
    try:
        with at_once():
            page = report.write(run_dir).resolve().as_uri()
    except KeyboardInterrupt as error:
        click.echo(
            "interrupted while the report was written; results are kept; write the report with: upt report "
            f"{typed(run_dir)}",
            err=True,
        )
        sys.exit(128 + error.number if isinstance(error, Interrupted) else INTERRUPTED)
    except OSError as error:
        page = f"not written: {in_words(error, run_dir)}; upt report {typed(run_dir)} writes it later"
    click.echo(table([["report".ljust(10), page]]))


def _how_to_go_on(record: Record, processes: Processes, resumed: Path | None) -> str:
    command = "torchrun … -m upt_core" if processes.several else "upt"
    if record.run_dir is None and resumed is None:
        return "interrupted before training started; nothing was written"
    folder = record.run_dir or resumed
    assert folder is not None
    resume = f"{command} train --resume {typed(folder)}"
    if record.run_dir is None:
        return f"interrupted before training continued; earlier training is kept; continue with: {resume}"
    if not any(record.run_dir.glob(f"checkpoints/**/{name}") for name in ("last.pt", "last/state.pt")):
        return "interrupted before the first checkpoint; start again with the same command"
    if record.trained:
        return f"interrupted after training, which is kept; run the test and write the report with: {resume}"
    return f"interrupted at epoch {record.epoch}, step {record.step}; continue with: {resume}"
