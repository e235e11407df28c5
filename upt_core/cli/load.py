"""A configuration file → an experiment. Files of another system are converted, and what became of them is said."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core.registry import discovery as plugins

if TYPE_CHECKING:
    from upt_core.config.document import Document
    from upt_core.registry import Registry
    from upt_core.run.experiment import Experiment


def read_config(path: Path | str, overrides: Sequence[str] = ()) -> Document:
    """A document in upt's form; the report of a conversion goes to stderr. Imports nothing heavy.

    Overrides may name keys of either form.

    Raises:
        ConfigError: the file cannot be read, or cannot be converted.
    """
    from upt_core.config.document import read_any  # YAML is slow to load, and help needs none

    document, report = read_any(path, overrides, plugins.installed())
    if report is not None:
        click.echo(f"{report}\n", err=True)
    return document


def experiment_of(path: Path | str, overrides: Sequence[str] = (), third_party: bool = True) -> Experiment:
    """The experiment of a file. What is wrong with its form is said before anything heavy is imported.

    Args:
        third_party: False: with the plugins of upt alone; nobody else's code is imported.

    Raises:
        ConfigError: with every problem and its place.
    """
    document = read_config(path, overrides)
    registry = plugins_to_use(third_party)
    from upt_core.config.quick_check import check_quickly

    if not document.starts_elsewhere:  # else parts of the model may stand in the operator that it starts from
        check_quickly(document, registry)
    import_torch()
    from upt_core.run.experiment import Experiment

    return Experiment.from_document(document, Path(path).stem, registry)


def import_torch() -> None:
    """Imports torch, once and before anything that needs it.

    The million objects that come with it stay as long as the process: the garbage collector does not look through
    them meanwhile, nor ever again.
    """
    if "torch" in sys.modules:
        return
    gc.disable()
    try:
        import torch  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


def plugins_to_use(third_party: bool) -> Registry:
    """The plugins of this installation, or those of upt alone."""
    if third_party:
        return plugins.installed()
    from upt_core.registry.doctor import built_in

    return built_in()
