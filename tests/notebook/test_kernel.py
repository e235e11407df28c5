"""Training in a real kernel: what stands below the cell while it runs, and in the file that is kept."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("nbclient") is None or find_spec("ipykernel") is None,
    reason="a kernel needs nbclient and ipykernel: pip install 'upt-core[notebook]'",
)

CONFIG = """\
data: {name: burgers1d, num_trajectories: 8, points: 32}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1}
  decoder: {name: perceiver, depth: 1}
losses:
  forward: {name: forward}
trainer: {epochs: 60, batch_size: 64, device: cpu, optimizer: {name: adamw, lr: 1e-3}, log_every: 1}
validation: {metrics: {relative_l2: relative_l2}, every: 60}
"""
CELLS = (
    "import upt_core\nrun = upt_core.Experiment.from_yaml('tiny.yaml').train('run')\nrun",
    "upt_core.Experiment.from_yaml('tiny.yaml', ['trainer.epochs=2']).train('silent', progress=False);",
    "!{sys.executable} -m upt_core train tiny.yaml --run-dir shell && {sys.executable} -m upt_core evaluate run",
    "upt_core.Experiment.from_yaml('tiny.yaml', ['trainer.optimizer.lr=1e30']).train('broken')",
    "experiment = upt_core.Experiment.from_yaml('tiny.yaml')\nexperiment.train('run')",
    "import os, signal, threading\n"
    "threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
    "upt_core.Experiment.from_yaml('tiny.yaml', ['trainer.epochs=100000']).train('interrupted')",
)
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """Of each cell."""
    import nbformat
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook")
    (folder / "tiny.yaml").write_text(CONFIG)
    cells = [nbformat.v4.new_code_cell(source) for source in ("import sys", *CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        notebook, timeout=120, allow_errors=True, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    shutil.rmtree(folder)
    return [cell.outputs for cell in notebook.cells[1:]]


def test_training_leaves_one_block_and_the_run(outputs: list[list[Any]]) -> None:
    block, run = outputs[0]
    assert (block.output_type, run.output_type) == ("display_data", "execute_result")
    assert "epoch 60 of 60" in block.data["text/html"]
    assert "done after " in block.data["text/html"]
    assert "width:100.0%" in block.data["text/html"]
    assert re.match(
        r"run: [\d,]+ parameters on cpu; epoch 60 of 60 done after .*; loss total .*, forward .*; "
        r"valid relative_l2 \S+ \(best: epoch 60\)$",
        block.data["text/plain"],
    )
    assert "<script" not in block.data["text/html"] + run.data["text/html"]
    assert run.data["text/plain"].startswith("Run('run': relative_l2 ")


def test_without_progress_nothing_is_shown(outputs: list[list[Any]]) -> None:
    assert outputs[1] == []


def test_a_command_in_a_cell_writes_few_lines_and_moves_no_cursor(outputs: list[list[Any]]) -> None:
    text = "".join(output.text for output in outputs[2])
    codes = {code[-1] for code in ESCAPE.findall(text)}
    assert codes <= {"m"}, "colours alone"
    epochs = re.findall(r"^epoch +(\d+)/60 ", text, re.MULTILINE)
    assert [int(number) for number in epochs] == list(range(2, 61, 2)), "60 epochs in at most 50 lines"
    assert "valid: relative_l2" in text
    assert len(text.splitlines()) < 70
    assert "Test split" in text
    assert "run: best checkpoint, test split" in text


def test_a_run_that_fails_says_so_in_its_block(outputs: list[list[Any]]) -> None:
    block, error = outputs[3]
    assert f"ended by {error.ename} after " in block.data["text/html"]
    assert error.output_type == "error"


def shown(outputs: list[Any]) -> list[str]:
    """The lines of an error, without colours."""
    return [ESCAPE.sub("", line) for text in outputs[-1].traceback for line in text.splitlines()]


def test_an_error_for_the_user_is_the_line_of_the_cell_and_the_message(outputs: list[list[Any]]) -> None:
    lines = shown(outputs[4])
    assert lines[0] == "line 2: experiment.train('run')"
    assert lines[1].startswith("UserError: run already contains a run; continue it (resume=True)")
    assert len(lines) == 2


def test_an_interrupted_cell_says_how_to_go_on(outputs: list[list[Any]]) -> None:
    block, error = outputs[5]
    assert "interrupted after " in block.data["text/html"]
    assert error.ename == "Interrupted"
    assert shown(outputs[5])[1:] == [
        "Interrupted: ended by SIGINT",
        "the state is saved; continue with Experiment.train('interrupted', resume=True), or with upt train --resume "
        "interrupted",
    ]
