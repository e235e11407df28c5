"""A process that reads data ahead and is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from upt_core.training import checkpoint

SCRIPT = """
import multiprocessing
from pathlib import Path
from tests.kernel.conftest import TINY, merged
from upt_core import Experiment, UserError, hookimpl

class Kills:
    @hookimpl
    def step_ended(self, trainer):
        if trainer.state.updates == 4:
            [worker] = multiprocessing.active_children()
            worker.kill()
            worker.join()

experiment = Experiment.from_dict(merged(TINY, {"trainer": {"workers": 1, "epochs": 50}}))
try:
    experiment.train(Path("RUN"), listeners=[Kills()])
except UserError as error:
    print(error)
"""


def test_is_told_in_words_and_loses_no_whole_step(tmp_path: Path) -> None:
    """In a process of its own: torch's handler of the signal raises wherever the program is."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("RUN", str(tmp_path / "run"))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("a process that reads data ahead was ended from outside (DataLoader"), done.stderr
    assert "where memory ran out, lower trainer.workers or trainer.batch_size" in done.stdout
    assert checkpoint.load(tmp_path / "run" / "checkpoints" / "last.pt")["state"]["step"] >= 4
