"""The newest run of an experiment: what ``upt train CONFIG --resume`` goes on with."""

from __future__ import annotations

import re
from pathlib import Path

from upt_core.config.sections import as_plain
from upt_core.errors import UserError
from upt_core.run.experiment import Experiment
from upt_core.run.resume import changes_of
from upt_core.run.written_config import CONFIG, config_of
from upt_core.wording import typed

MOST_SHOWN = 5


def newest_run(experiment: Experiment) -> Path | None:
    """The newest run folder of an experiment's name in its ``output``; None: there is none.

    Raises:
        UserError: it was started with another configuration; the message names what differs. Or its configuration
            cannot be read.
    """
    named = re.compile(re.escape(experiment.name) + r"-(\d{8}-\d{6})(?:-(\d+))?")
    found: list[tuple[str, int, Path]] = []
    for config in experiment.output_dir().glob(f"*/{CONFIG}"):
        match = named.fullmatch(config.parent.name)
        if match:
            found.append((match[1], int(match[2] or 0), config.parent))
    if not found:
        return None
    run = max(found)[2]
    changes = changes_of(config_of(run), as_plain(experiment.settings, Path.cwd()))
    different = [str(change) for change in changes if not change.allowed]
    if different:
        more = f"\n    and {len(different) - MOST_SHOWN} more" if len(different) > MOST_SHOWN else ""
        raise UserError(
            f"{run}: this run of {experiment.name} was started with another configuration\n    "
            + "\n    ".join(different[:MOST_SHOWN])
            + f"{more}\n    continue it unchanged: upt train --resume {typed(run)}; or start a new run, without "
            "--resume"
        )
    return run
