"""``upt data init``: from any file to an experiment that is right for it, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from upt_core import Experiment
from upt_core.cli import main
from upt_data.commands.recipe import Facts, experiment, facts_of
from upt_data.commands.understand import understand

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def upt(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, [*arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def grid(*points: int, num: int = 8, times: int = 4, channels: int = 0, ends: bool = False, **more: Any) -> str:
    """An archive of smooth random states on a grid, which includes both ends of its axes or one."""
    axes = [np.linspace(0, 1, n, endpoint=ends) for n in points]
    phase = RNG.random((num, times, *(1 for _ in points), max(channels, 1)))
    u = np.sin(2 * np.pi * (sum(np.meshgrid(*axes, indexing="ij"))[None, None, ..., None] + phase))
    named = dict(zip("xyz", axes, strict=False))
    np.savez("a.npz", **{"u": u if channels else u[..., 0], "t": 0.1 * np.arange(times), **named, **more})
    return "a.npz"


def steady() -> str:
    a = RNG.random((12, 16, 16))
    np.savez("a.npz", a=a, s=a.cumsum(-1), x=np.arange(16) / 16, y=np.arange(16) / 16)
    return "a.npz"


def scattered(each: int = 200) -> str:
    lengths = [each + number for number in range(8)]
    pos = RNG.random((sum(lengths), 2)) * [2.0, 1.0]
    np.savez(
        "a.npz", u=np.sin(pos.sum(1))[:, None] * [1, 2, 3], t=np.arange(3.0), pos=pos, ptr=np.cumsum([0, *lengths])
    )
    return "a.npz"


def one_trajectory() -> str:
    return grid(32, num=1, times=30)


@pytest.mark.parametrize(
    ("write", "encoder", "tokens"),
    [
        (lambda: grid(64), "patches", [16]),
        (lambda: grid(101, ends=True), "lattice", [25]),
        (lambda: grid(32, 48, channels=2), "patches", [16, 16]),
        (lambda: grid(8, 8, 8), "patches", [8, 8, 8]),
        (steady, "patches", [16, 16]),
        (scattered, "lattice", [10, 5]),
        (one_trajectory, "patches", [16]),
    ],
    ids=["line", "closed line", "plane of two channels", "space", "steady", "scattered", "one trajectory"],
)
def test_what_is_written_is_ready_and_trains(write: Any, encoder: str, tokens: list[int]) -> None:
    file = write()
    assert "own.yaml: an experiment on" in upt("data", "init", file, "-o", "own.yaml")
    written = yaml.safe_load(Path("own.yaml").read_text())
    assert (written["model"]["encoder"]["name"], written["model"]["latent"]["tokens"]) == (encoder, tokens)
    assert "own.yaml: ready to train" in upt("check", "own.yaml")
    short = ["trainer.epochs=1", "model.latent.dim=8", "model.approximator.width=8", "callbacks=[]"]
    Experiment.from_yaml("own.yaml", [*short, "trainer.device=cpu"]).train("run")
    assert Path("run/results.json").is_file()


def test_sizes_follow_the_data() -> None:
    short = yaml.safe_load(text_of(grid(64)))
    assert short["trainer"]["epochs"] == round(2000 * 18 / 18), "6 trajectories of 3 steps, in batches of no more"
    assert short["sampler"] is None, "64 points are all looked at"
    assert "consistency" in short["losses"]
    fields = yaml.safe_load(text_of(grid(32, 48, channels=2, p=RNG.random((8, 4, 32, 48)))))
    assert set(fields["validation"]["metrics"]) == {"relative_l2", "u_l2", "p_l2"}
    assert fields["model"]["latent"]["dim"] == 3 * 16
    assert fields["sampler"]["base"]["num_queries"] == 512
    alone = yaml.safe_load(text_of(steady()))
    assert "consistency" not in alone["losses"]
    assert alone["model"]["approximator"]["depth"] == 8, "steady: many narrow blocks"
    assert alone["trainer"]["optimizer"]["weight_decay"] == 0.5
    assert "depth" not in fields["model"]["approximator"]


def test_scattered_fields_that_do_not_change_are_given_and_not_predicted() -> None:
    arrays = dict(np.load(scattered()))
    np.savez("a.npz", **arrays, porosity=RNG.random(len(arrays["pos"])))
    data = yaml.safe_load(text_of("a.npz"))["data"]
    assert (data["inputs"], data["targets"]) == (["u", "porosity"], ["u"])


def text_of(file: str) -> str:
    found = understand([Path(file)])
    return experiment({"name": found.name, **found.settings}, found.build())


def test_tokens_of_points_stand_as_densely_along_each_axis() -> None:
    facts = facts_of(understand([Path(scattered(1000))]).build())
    assert facts.tokens == [22, 11]
    assert Facts(facts.data, 10**6, 1).tokens == [78, 39], "about CLOUD_TOKENS of them"


def test_one_or_two_trajectories_are_split_by_time() -> None:
    assert understand([Path(grid(32, num=2, times=30))]).settings["split_by"] == "time"
    assert "split_by" not in understand([Path(grid(32, num=3, times=30))]).settings


def test_an_experiment_that_is_there_is_kept() -> None:
    Path("experiment.yaml").write_text("mine")
    assert "experiment.yaml already exists and is not overwritten" in upt("data", "init", grid(64), code=2)
    assert Path("experiment.yaml").read_text() == "mine"
    assert "known endings are" in upt("data", "init", "experiment.yaml", code=2)
