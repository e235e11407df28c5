"""docs/flow.md lists the files of the kernel that one reads between a YAML file and the first loss."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "flow.md"
RUN = """
import sys
import upt_core
from upt_core import Experiment, Progress

seen = set()

def note(frame, event, argument):
    file = frame.f_code.co_filename
    if event == "call" and "/upt_core/" in file and frame.f_code.co_name != "<module>":
        seen.add(file.rpartition("/upt_core/")[2])

sys.setprofile(note)
small = ["data.num_trajectories=8", "data.points=64", "data.num_times=3", "trainer.batch_size=2"]
built = Experiment.from_yaml(sys.argv[1], small).build_all()
losses = built.bundle(built.train[0], Progress())
sys.setprofile(None)
assert losses.total.requires_grad
print(*sorted(seen))
"""


def listed() -> set[str]:
    """The files that the section names, without those of the package itself."""
    section = (
        PAGE.read_text(encoding="utf-8").partition("## From a YAML file to the first loss")[2].partition("\n## ")[0]
    )
    return set(re.findall(r"\(\.\./upt_core/([\w/]+\.py)\)", section))


def test_the_files_that_run_are_those_that_the_page_lists(tmp_path: Path) -> None:
    main_example = ROOT / "configs" / "burgers.yaml"
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(main_example)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    run = set(done.stdout.split()) - {"__init__.py"}
    missing, idle = run - listed(), listed() - run
    assert not missing, (
        f"docs/flow.md does not list {missing}: add them, or let what needs them be part of a file there"
    )
    assert not idle, f"docs/flow.md lists {idle}, of which nothing runs"
