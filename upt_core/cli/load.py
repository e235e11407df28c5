"""A configuration file → an experiment. Files in the old form are converted, and what became of them is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core import config
from upt_core.convert import convert, is_old, is_old_override
from upt_core.doctor import built_in
from upt_core.errors import ConfigError
from upt_core.overrides import apply_overrides

if TYPE_CHECKING:
    from upt_core.config import Document
    from upt_core.experiment import Experiment


def read_config(path: Path | str, overrides: Sequence[str] = ()) -> Document:
    """A document in the new form; the report of a conversion goes to stderr. Imports nothing heavy.

    Overrides may name keys of either form.

    Raises:
        ConfigError: the file cannot be read, or cannot be converted.
    """
    if not is_old(config.read(path)):
        return config.read(path, overrides)
    old = config.read(path, [text for text in overrides if is_old_override(text)])
    converted = convert(old)
    click.echo(f"{converted.report}\n", err=True)
    document = converted.document
    problems = apply_overrides(document.data, document.origins, [o for o in overrides if not is_old_override(o)])
    if problems:
        raise ConfigError(problems)
    return document


def experiment_of(path: Path | str, overrides: Sequence[str] = (), third_party: bool = True) -> Experiment:
    """The experiment of a file. What is wrong with the file's form is said before anything heavy is imported.

    Args:
        third_party: False: with the plugins of upt alone; nobody else's code is imported.

    Raises:
        ConfigError: with every problem and its place.
    """
    document = read_config(path, overrides)
    from upt_core.experiment import Experiment

    return Experiment.from_document(document, Path(path).stem, None if third_party else built_in())
