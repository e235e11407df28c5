"""A folder that holds a run: kept, gone on with, or given to a new run as if it were empty."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from upt_core import EndRun, Experiment, PluginError, Run, Step, UserError, hookimpl, load
from upt_core.run.earlier import FILES, FOLDERS
from upt_core.run.lock import locked
from upt_losses.forward import Forward


class Ends:
    """Ends a run after its first epoch, as Ctrl-C does."""

    @hookimpl
    def epoch_ended(self) -> None:
        raise KeyboardInterrupt


def test_a_folder_with_a_run_is_refused_and_nothing_in_it_changes(
    tmp_path: Path, tiny: Callable[..., Experiment]
) -> None:
    run = tiny(trainer={"epochs": 1}).train(tmp_path / "run")
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"already contains a run; continue it \(resume=True\), .*\(replace=True\)"):
        tiny(trainer={"epochs": 2}).train(run.folder)
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before


def test_a_run_that_replaces_another_takes_nothing_of_it(tmp_path: Path, tiny: Callable[..., Experiment]) -> None:
    first = tiny(trainer={"epochs": 3}).train(tmp_path / "run")
    (first.folder / "mine.txt").write_text("notes")
    (first.folder / "checkpoints" / "last-1.pt").write_bytes(b"of the first run")
    model = {"latent": {"tokens": 4, "dim": 8}}
    second = tiny(trainer={"epochs": 1}, model=model).train(first.folder, replace=True)
    assert (second.folder / "mine.txt").read_text() == "notes"
    assert not (second.folder / "checkpoints" / "last-1.pt").exists()
    assert {json.loads(line)["epoch"] for line in (second.folder / "metrics.jsonl").read_text().splitlines()} == {1}
    assert load(second.folder).settings["latent"]["dim"] == 8
    assert Run.read(second.folder) == second


def test_a_refused_experiment_replaces_nothing(tmp_path: Path, tiny: Callable[..., Experiment]) -> None:
    run = tiny(trainer={"epochs": 1}).train(tmp_path / "run")
    with pytest.raises(UserError):
        tiny(data={"name": "npz", "path": "nowhere.npz"}).train(run.folder, replace=True)
    assert Run.read(run.folder) == run


class Misspelt:
    @hookimpl
    def epoch_endd(self) -> None:
        """Of a name that no hook has."""


def test_a_listener_that_is_refused_replaces_nothing_and_leaves_no_folder(
    tmp_path: Path, tiny: Callable[..., Experiment]
) -> None:
    run = tiny(trainer={"epochs": 1}).train(tmp_path / "run")
    with pytest.raises(PluginError, match="unknown hook 'epoch_endd' in .*; did you mean 'epoch_ended'"):
        tiny().train(run.folder, replace=True, listeners=[Misspelt()])
    assert Run.read(run.folder) == run
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PluginError, match="unknown hook"):
        tiny(output=str(tmp_path)).train(listeners=[Misspelt()])
    assert sorted(tmp_path.rglob("*")) == before


def test_resume_and_replace_contradict_each_other(tmp_path: Path, tiny: Callable[..., Experiment]) -> None:
    with pytest.raises(UserError, match="resume continues a run, and replace overwrites it; give only one"):
        tiny().train(tmp_path / "run", resume=True, replace=True)


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, tiny: Callable[..., Experiment]) -> None:
    experiment, folder = tiny(trainer={"epochs": 2}), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt) as caught:
        experiment.train(folder, listeners=[Ends()])
    said = f"continue with Experiment.train({str(folder)!r}, resume=True), or with upt train --resume {folder}"
    assert caught.value.__notes__ == [f"the state is saved; {said}"]
    assert experiment.train(folder, resume=True).results


class Pruned(EndRun):
    """A listener's own end."""


@pytest.mark.parametrize(("error", "noted"), [(OSError("of a tracker"), True), (Pruned("enough"), False)])
def test_a_defect_says_how_to_go_on_and_a_wanted_end_does_not(
    tmp_path: Path, tiny: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch, error: Exception, noted: bool
) -> None:
    value_of = Forward.__call__

    def fails(self: Forward, step: Step) -> Tensor:
        if step.progress.epoch == 1:
            raise error
        return value_of(self, step)

    monkeypatch.setattr(Forward, "__call__", fails)
    with pytest.raises(type(error)) as caught:
        tiny().train(tmp_path / "run")
    assert ["the state is saved; continue with" in note for note in getattr(caught.value, "__notes__", [])] == [
        True
    ] * noted


def test_before_the_first_step_no_state_is_promised(tmp_path: Path, tiny: Callable[..., Experiment]) -> None:
    run = tiny(trainer={"epochs": 1}).train(tmp_path / "run")
    with locked(run.folder), pytest.raises(UserError, match="is being trained by") as caught:
        tiny(trainer={"epochs": 2}).train(run.folder, resume=True)
    assert not hasattr(caught.value, "__notes__")


def test_every_file_that_a_run_leaves_is_known(tmp_path: Path, tiny: Callable[..., Experiment]) -> None:
    run = tiny(trainer={"epochs": 1}, callbacks=["tensorboard"]).train(tmp_path / "run")
    assert {path.name for path in run.folder.iterdir()} <= {*FILES, *FOLDERS, ".lock"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_a_device_that_is_not_there(tmp_path: Path, tiny: Callable[..., Experiment]) -> None:
    run = tiny(trainer={"epochs": 1}).train(tmp_path / "run")
    with pytest.raises(UserError, match="device is 'cuda', but this machine has 0 CUDA devices; use cpu"):
        run.operator(device="cuda")
