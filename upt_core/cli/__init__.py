"""The command line. Each command is a file; nothing heavy is imported before one runs, so that help is instant.

Commands that the kernel does not need come in as a stranger's do: through the hook ``register_commands``.
"""

from __future__ import annotations

import os

import click

from upt_core import __version__
from upt_core.cli.check import check
from upt_core.cli.compare import compare
from upt_core.cli.config import config
from upt_core.cli.evaluate import evaluate
from upt_core.cli.export import export
from upt_core.cli.group import ErrorsAsMessages
from upt_core.cli.info import info
from upt_core.cli.init import init
from upt_core.cli.output import open_streams
from upt_core.cli.plugins import plugins
from upt_core.cli.predict import predict
from upt_core.cli.report import report
from upt_core.cli.reproduce import reproduce
from upt_core.cli.train import train
from upt_core.cli.watch import watch

__all__ = ["main"]


@click.group(cls=ErrorsAsMessages, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="upt")
def main() -> None:
    """Train Universal Physics Transformers from one YAML file.

    \b
    Start here:
      upt init FILE       a first experiment, commented
      upt check CONFIG    check and describe an experiment, without training it
      upt train CONFIG    train it; the run folder gets metrics, checkpoints and a report
      upt watch RUN       watch it train, on a live page in the browser
      upt evaluate RUN    the metrics of its checkpoint and of the baselines
      upt predict RUN FILE -o OUT   predict for new data
      upt info RUN        describe an operator: fields, units, model, tests, origin
      upt plugins         every sampler, loss term, model part, data set, … by name
    """
    # Threads that wait for each other actively make a busy machine many times slower; torch reads this when imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    open_streams()


for command in (
    train,
    watch,
    check,
    evaluate,
    predict,
    info,
    export,
    report,
    compare,
    reproduce,
    plugins,
    config,
    init,
):
    main.add_command(command)
