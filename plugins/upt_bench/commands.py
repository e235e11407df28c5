"""``upt bench``: measures parts of upt beside their rivals, all in one run; one command for each suite."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
from click.core import ParameterSource

from upt_bench.suites import SUITES, Suite

if TYPE_CHECKING:
    from upt_bench.results import Results
    from upt_bench.setting import Setting

F = TypeVar("F", bound=Callable[..., Any])
WORSE = 1
"""Exit code where ``--compare`` finds a figure worse beyond the noise."""


def _out_option(default: str) -> Callable[[F], F]:
    folder = click.Path(path_type=Path)
    return click.option("--out", type=folder, default=Path(default), show_default=True, help="Folder of the results.")


data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of real data; default: $UPT_TEST_DATA."
)
compare_option = click.option(
    "--compare",
    "old",
    type=click.Path(path_type=Path),
    help="results.json of an earlier run: shows ratios of ratios; exit code 1 if a figure with a goal is worse beyond "
    "the noise.",
)
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
quick_option = click.option(
    "--quick",
    is_flag=True,
    help="Small sizes, a minute at most, to see that everything works; the figures mean nothing.",
)


@click.group(invoke_without_command=True)
@click.option("--suite", "names", metavar="NAME[,NAME]", help="Run these suites one after the other.")
@quick_option
@_out_option("bench")
@data_option
@device_option
@compare_option
@click.pass_context
def bench(context: click.Context, /, names: str | None, old: Path | None, out: Path, **options: Any) -> None:
    """Measure parts of upt and their alternatives; ratios within one run.

    With --suite, each suite writes its results to a folder of its name; --compare then also takes a folder of such
    folders.
    """
    if context.invoked_subcommand is not None:
        _nothing_before(context)
        return
    if names is None:
        click.echo(context.get_help())
        return
    worse = False
    for name in _known(names.split(",")):
        command = bench.commands[name]
        takes = {parameter.name for parameter in command.params}
        given = {key: value for key, value in options.items() if key in takes}
        worse |= bool(context.invoke(command, out=out / name, old=_of_suite(old, name), **given))
    sys.exit(WORSE if worse else 0)


def _nothing_before(context: click.Context) -> None:
    """Options between ``bench`` and a suite's name would go unheard."""
    given = [key for key in context.params if context.get_parameter_source(key) is not ParameterSource.DEFAULT]
    if given:
        name = context.invoked_subcommand
        raise click.UsageError(f"options stand behind the suite's name (upt bench {name} …), or beside --suite {name}")


def _known(names: list[str]) -> list[str]:
    suites = sorted(bench.commands.keys() - {"compare"})
    for name in names:
        if name not in suites:
            raise click.UsageError(f"--suite {name}: no such suite; there are {', '.join(suites)}")
    return names


def _of_suite(old: Path | None, name: str) -> Path | None:
    return old / name / "results.json" if old is not None and old.is_dir() else old


def _command(name: str, suite: Suite) -> click.Command:
    """``upt bench NAME``."""

    def measure(quick: bool, out: Path, device: str, old: Path | None, data: Path | None = None) -> bool:
        folder = _data_folder(data) if suite.real_data else None
        return _measure(name, lambda setting: suite.run(setting, out), (device, folder, quick), out, suite.files, old)

    options = [quick_option, _out_option(f"bench/{name}"), *([data_option] if suite.real_data else [])]
    run: Callable[..., Any] = measure
    for option in reversed([*options, device_option, compare_option]):
        run = option(run)
    return click.command(name, help=f"{suite.summary}\n\n{suite.details}")(run)


for _name, _suite in SUITES.items():
    bench.add_command(_command(_name, _suite))


@bench.command()
@quick_option
@_out_option("bench/quality")
@data_option
@click.option("--tasks", help="Names separated by commas; default: all whose files are available.")
@click.option("--operators", help="Names separated by commas; default: upt and its alternatives.")
@click.option("--seeds", default="0", show_default=True, help="Numbers separated by commas.")
@click.option("--seconds", type=float, help="Budget in seconds, instead of that of the configurations.")
@click.option("--jobs", default=1, show_default=True, help="Processes at once, one thread each.")
@click.option(
    "--split",
    type=click.Choice(["test", "valid"]),
    default="test",
    show_default=True,
    help="Trajectories to test on; use valid to choose between configurations.",
)
@click.option("--set", "changes", multiple=True, help="KEY=VALUE to change in the configurations; may be repeated.")
@compare_option
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
    old: Path | None,
) -> bool:
    """How accurate trained operators are, at equal processor seconds.

    Trains each combination of data set, operator and seed in a separate process, and tests it on unseen trajectories:
    one step, rollouts, spectra, between the points, at twice the resolution. Results that the folder already has are
    not measured again, so an interrupted run continues. Takes a few minutes for each combination. Results of --split
    valid or --set are kept in results.json, and not shown in tables and plots.
    """
    from upt_bench.quality.plan import cells_of
    from upt_bench.quality.run import run

    folder = _data_folder(data)
    cells = cells_of(tasks, operators, seeds, folder, quick, seconds, split, changes)
    where = ("cpu", folder, quick)
    return _measure(
        "quality", lambda setting: run(cells, setting, out, jobs), where, out, ("standing.png", "rollouts.png"), old
    )


@bench.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
def compare(old: Path, new: Path) -> bool:
    """Compare two runs of a suite: ratios of ratios.

    OLD and NEW are files results.json. Exit code 1 if a figure with a goal is worse beyond the noise.
    """
    from rich.console import Console

    from upt_bench.comparison import compared, results_of_full_run

    return compared(results_of_full_run(old), results_of_full_run(new), Console(), f"{old} and {new}")


@bench.result_callback()
def _exit(worse: object, **options: object) -> None:
    """The exit code of one suite."""
    if worse is True:
        sys.exit(WORSE)


def _measure(
    name: str,
    run: Callable[[Setting], Results],
    where: tuple[str, Path | None, bool],
    out: Path,
    files: tuple[str, ...],
    old: Path | None,
) -> bool:
    """Runs a suite, shows its figures, and compares them; whether one is worse beyond the noise."""
    from rich.console import Console

    from upt_bench.comparison import compared, results_of_full_run
    from upt_bench.setting import Setting
    from upt_bench.table import print_figures
    from upt_core import UserError
    from upt_core.commands import resolve_device

    device, data, quick = where
    if old is not None and quick:
        raise UserError("--compare with --quick: figures of small sizes mean nothing; leave one of them out")
    before = None if old is None else results_of_full_run(old)  # a wrong file is told of before minutes of measuring
    console = Console()
    with console.status("") as status:
        results = run(Setting(resolve_device(device), data, quick, status.update))
    print_figures(results, console, f"upt bench {name}")
    click.echo(", ".join([str(out / "results.json"), *files]))
    return before is not None and compared(before, results, console, f"{old} and now")


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
