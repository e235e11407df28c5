"""``upt reproduce``: the same bits from the same installation, and what differs where it is another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from upt_core import Experiment
from upt_core.cli import main
from upt_core.errors import CheckpointError, UserError
from upt_core.report.reproduce import Difference, Reproduction, first_different_step, read_original, reproduce

TINY: dict[str, Any] = {
    "data": {"name": "burgers1d", "num_trajectories": 12, "points": 32, "num_times": 6},
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "grid", "patch": 8, "depth": 1},
        "approximator": {"name": "transformer", "depth": 1, "heads": 2},
        "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
    },
    "sampler": {"name": "uniform", "num_queries": 8},
    "losses": {"forward": {"name": "forward"}},
    "trainer": {"epochs": 1, "batch_size": 8, "optimizer": "adamw", "device": "cpu", "log_every": 1},
    "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}}},
}
Change = Callable[[str, Callable[[dict[str, Any]], None]], None]


@pytest.fixture
def run(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run, trained once and copied for each test."""
    monkeypatch.chdir(tmp_path)
    kept = tmp_path_factory.getbasetemp() / "to-be-reproduced"
    if not kept.exists():
        Experiment.from_dict(TINY).train(kept)
    return Path(shutil.copytree(kept, "runs/first"))


@pytest.fixture
def change(run: Path) -> Change:
    """Changes a JSON file of the run."""

    def to_file(name: str, how: Callable[[dict[str, Any]], None]) -> None:
        content = json.loads((run / name).read_text())
        how(content)
        (run / name).write_text(json.dumps(content))

    return to_file


def upt(*arguments: str) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_same_installation_gives_the_same_bits(run: Path) -> None:
    result = upt("reproduce", "runs/first")
    assert result.exit_code == 0, result.output
    assert "verdict      identical: every metric and every logged loss is equal bit by bit\n" in result.output
    assert "              ORIGINAL" in result.output
    again = run.with_name("first-again")
    assert f"run folder   {again.resolve()}" in result.output
    assert (again / "config.yaml").read_text() == (run / "config.yaml").read_text()
    assert json.loads((again / "results.json").read_text()) == json.loads((run / "results.json").read_text())
    then, now = (torch.load(folder / "checkpoints" / "best.pt", weights_only=True)["model"] for folder in (run, again))
    assert all(torch.equal(then[name], now[name]) for name in then)


def other_versions(environment: dict[str, Any]) -> None:
    environment["torch"] = "1.0"
    for plugin in environment["plugins"].values():
        plugin["version"] = "0.0.1"


def test_other_versions_are_refused_with_all_that_differ(run: Path, change: Change) -> None:
    change("environment.json", other_versions)
    result = upt("reproduce", "runs/first")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0] == "error: runs/first: this installation differs from that of the run"
    assert lines[1] == f"    torch is {torch.__version__}; the run had 1.0"
    assert lines[2].startswith("    upt-core is ")
    assert lines[2].endswith("; the run had 0.0.1")
    assert lines[3] == "    install those versions, or pass --allow-different-versions"
    assert len(lines) == 4
    assert not run.with_name("first-again").exists()


def test_other_versions_are_gone_on_with_when_told(run: Path, change: Change) -> None:
    change("environment.json", other_versions)
    change("results.json", lambda results: results["predictors"]["model"].update(relative_l2=2.0))
    result = upt("reproduce", "runs/first", "--allow-different-versions", "--run-dir", "other")
    assert result.exit_code == 0
    assert f"note: torch is {torch.__version__}; the run had 1.0\n" in result.stderr
    assert "note: upt-core is " in result.stderr
    assert "different: metrics of the model by at most 0." in result.output
    assert "(relative); all losses are equal; different here: torch, upt-core\n" in result.output
    assert Path("other/results.json").is_file()


def test_another_machine_is_noted_and_not_refused(run: Path, change: Change) -> None:
    def elsewhere(environment: dict[str, Any]) -> None:
        environment.update(device="A big GPU", git={"commit": "0123456789abcdef", "branch": "x", "changed": True})

    change("environment.json", elsewhere)
    original = read_original(run)
    assert original.refused == ()
    assert [one.what for one in original.noted] == ["device", "the code"]
    assert str(original.noted[0]).endswith("; the run had A big GPU")
    assert original.noted[1].then == "at commit 0123456789ab, with changes"
    assert original.noted[1].now == "outside a git repository"


def test_a_plugin_of_another_distribution(run: Path, change: Change) -> None:
    def moved(environment: dict[str, Any]) -> None:
        environment["plugins"]["loss forward"] = {"distribution": "upt-old", "version": "3"}

    change("environment.json", moved)
    (found,) = read_original(run).refused
    assert str(found).startswith("a plugin's distribution is upt-core ")
    assert str(found).endswith("; the run had upt-old 3")


def test_a_run_that_was_resumed_with_changes_is_noted(run: Path) -> None:
    changes = {"trainer.epochs": {"before": 1, "after": 5}}
    (run / "changes.json").write_text(json.dumps([{"step": 40, "changes": changes}]))
    (found,) = read_original(run).noted
    assert str(found) == "trainer.epochs is 5; the run had 1 until step 40"


def test_where_losses_begin_to_differ() -> None:
    def step(number: int, loss: float, kind: str = "step") -> dict[str, Any]:
        return {"kind": kind, "step": number, "time": 3.0 * loss, "loss/total": loss, "lr": loss}

    then = [step(0, 1.0), step(1, 0.5), step(2, 0.25), step(2, 0.5, "epoch")]
    assert first_different_step(then, [{**line, "time": 9.0} for line in then]) is None
    assert first_different_step(then, [step(0, 1.0), step(1, 0.5000000000000001), step(2, 0.25)]) == 1, "the last bit"
    assert first_different_step(then, [*then[:3], step(2, 0.6, "epoch")]) == 2
    assert first_different_step(then, then[:1]) == 1
    assert first_different_step([step(1, 0.7), *then], then) is None, "of a step trained twice the later counts"


def test_the_verdict_names_the_likely_cause() -> None:
    from upt_core.cli.reproduce import verdict

    then, now = {"model": {"rmse": 2.0, "zero": 0.0}}, {"model": {"rmse": 1.5, "zero": 0.5}}
    found = Reproduction(Path("a"), Path("b"), then, now, 7, ())
    assert verdict(found) == (
        "different: metrics of the model by at most 0.5 (relative); losses from step 7 on; versions and machine are "
        "the same, so OMP_NUM_THREADS differs, or an operation is not deterministic"
    )
    nan = {"model": {"rmse": float("nan")}}
    assert Reproduction(Path("a"), Path("b"), nan, {"model": {"rmse": float("nan")}}, None, ()).identical
    device = Difference("device", "A", "B")
    assert verdict(Reproduction(Path("a"), Path("b"), then, now, None, (device,))).endswith(
        "are equal; different here: device"
    )


def test_what_cannot_be_reproduced(run: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere: this is not the folder of a run; it has no config.yaml"):
        read_original(Path("nowhere"))
    with pytest.raises(UserError, match="runs/first already contains a run; name another folder"):
        reproduce(read_original(run), run)
    (run / "environment.json").rename("kept.json")
    with pytest.raises(CheckpointError, match=r"there is no environment.json; without it, the versions of the run are"):
        read_original(run)
    Path("kept.json").rename(run / "environment.json")
    (run / "results.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"results.json: not valid JSON"):
        read_original(run)
    (run / "results.json").unlink()
    with pytest.raises(
        CheckpointError,
        match=r"no results.json; the run is not finished; finish it with: upt train "
        r"--res",
    ):
        read_original(run)


def test_a_second_reproduction_gets_a_number(run: Path) -> None:
    run.with_name("first-again").mkdir()
    found = reproduce(read_original(run))
    assert found.folder.name == "first-again-2"
    assert found.identical
