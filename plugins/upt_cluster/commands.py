"""``upt submit``: trains as a job of a cluster that is queued again until it has finished."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from upt_core import UserError
from upt_core.commands import table

MINUTES = {"m": 1, "h": 60, "d": 24 * 60}


@click.command()
@click.argument("arguments", nargs=-1, required=True, metavar="CONFIG [KEY.PATH=VALUE]...")
@click.option(
    "--time", "time_", default="4h", show_default=True, help="Time until the job is queued again: 90m, 11.5h, 2d."
)
@click.option("--gpus", type=click.IntRange(min=0), default=1, show_default=True, help="GPUs on each node; 0: CPU.")
@click.option("--nodes", type=click.IntRange(min=1), default=1, show_default=True, help="Machines.")
@click.option("--cpus", type=click.IntRange(min=1), default=4, show_default=True, help="CPU cores of each process.")
@click.option("--memory", type=click.IntRange(min=1), help="GB on each node; default: that of the partition.")
@click.option("--partition", help="Partition of the cluster.")
@click.option("--account", help="Account to charge.")
@click.option(
    "--set", "options", multiple=True, metavar="KEY=VALUE", help="A further option of sbatch, such as qos=long."
)
@click.option("--setup", multiple=True, metavar="LINE", help="Shell line before training, such as: module load cuda.")
@click.option(
    "--warning",
    type=click.IntRange(min=10),
    default=120,
    show_default=True,
    help="Seconds before the end of its time, when the job saves its state.",
)
@click.option(
    "--requeues",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Largest number of times that the job is queued again.",
)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Folder of the jobs' logs; default: `jobs` in `output`."
)
@click.option("--here", is_flag=True, help="Run on this machine, without a scheduler, and wait for the end.")
def submit(
    arguments: tuple[str, ...],
    time_: str,
    gpus: int,
    nodes: int,
    cpus: int,
    memory: int | None,
    partition: str | None,
    account: str | None,
    options: tuple[str, ...],
    setup: tuple[str, ...],
    warning: int,
    requeues: int,
    folder: Path | None,
    here: bool,
) -> None:
    """Train as a job of a SLURM cluster.

    One process trains on each GPU of each node. The job runs `upt train CONFIG --resume`. Before its time is over, it
    saves its state and is queued again until training has finished.

    \b
    upt submit burgers.yaml --time 12h --gpus 4 --partition gpu
    upt submit burgers.yaml trainer.epochs=500 --gpus 1 --set qos=long --setup 'module load cuda'
    """
    if find_spec("submitit") is None:
        raise UserError("upt submit needs submitit, which is not installed: pip install 'upt-core[cluster]'")
    if not here and shutil.which("sbatch") is None:
        raise UserError(
            "there is no sbatch on this machine; submit from a login node of a SLURM cluster, or run on this machine "
            "with --here"
        )
    from upt_core import Experiment

    experiment = Experiment.from_yaml(arguments[0], arguments[1:])  # what is wrong with it is told now, not in hours
    asked: dict[str, Any] = {
        "timeout_min": _minutes(time_), "nodes": nodes, "tasks_per_node": max(1, gpus), "cpus_per_task": cpus,
        "name": experiment.name,
    }  # fmt: skip
    asked |= {"gpus_per_node": gpus} if gpus else {}
    asked |= {"mem_gb": memory} if memory else {}
    of_slurm = {
        "slurm_partition": partition, "slurm_account": account, "slurm_setup": list(setup) or None,
        "slurm_signal_delay_s": warning, "slurm_additional_parameters": {"requeue": True, **_options(options)},
    }  # fmt: skip
    asked |= {name: value for name, value in of_slurm.items() if value is not None}
    where = (experiment.output_dir() / "jobs" if folder is None else folder).resolve()
    _send(arguments, where, "local" if here else "slurm", requeues, asked)


def _send(arguments: tuple[str, ...], folder: Path, cluster: str, requeues: int, asked: dict[str, Any]) -> None:
    from submitit import AutoExecutor
    from submitit.core.utils import FailedJobError, UncompletedJobError

    from upt_cluster.job import Training

    try:
        executor = AutoExecutor(folder=folder, cluster=cluster, **{f"{cluster}_max_num_timeout": requeues})
        executor.update_parameters(**asked)
        job = executor.submit(Training(arguments))
    except (FailedJobError, ValueError, RuntimeError) as error:
        raise UserError(f"SLURM refused the job: {error}; correct the options") from error
    logs = [["job", job.job_id], ["log", str(job.paths.stdout)], ["errors", str(job.paths.stderr)]]
    click.echo(table(logs))
    if cluster == "local":
        try:
            job.result()
        except (FailedJobError, UncompletedJobError) as error:
            raise UserError("the job failed; the errors above say why") from error


def _minutes(text: str) -> int:
    """A time as whole minutes, as schedulers count them."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", text)
    minutes = int(float(match[1]) * MINUTES[match[2]]) if match is not None else 0
    if minutes < 1:
        raise click.BadParameter(f"expected a number and m, h or d, at least 1m; got {text!r}", param_hint="--time")
    return minutes


def _options(options: tuple[str, ...]) -> dict[str, str | bool]:
    found: dict[str, str | bool] = {}
    for option in options:
        key, equals, value = option.partition("=")
        found[key.lstrip("-").replace("-", "_")] = value if equals else True
    return found
