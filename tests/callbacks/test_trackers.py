"""Trackers of other projects: real runs in local stores where the package is installed; its absence everywhere."""

from __future__ import annotations

import importlib.abc
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from upt_callbacks.mlflow_tracker import MLflow
from upt_callbacks.tracker import flat, read_config
from upt_callbacks.trackio_tracker import Trackio
from upt_callbacks.wandb_tracker import Wandb
from upt_core import Experiment, UserError
from upt_core.testing import check_callback

TRACKERS = ("mlflow", "trackio", "wandb")
LOGGED = {
    "loss/total", "loss/forward", "weight/forward", "lr", "gradient_norm", "epoch/loss/forward",
    "epoch/gradient_share/forward", "validation/rmse", "final/rmse",
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "data": {"name": "burgers1d", "num_trajectories": 12, "points": 32},
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "grid", "patch": 8},
        "approximator": {"name": "transformer", "depth": 1, "heads": 2},
        "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
    },
    "losses": {"forward": {"name": "forward"}},
    "validation": {"metrics": {"rmse": {"name": "rmse"}}},
}


def experiment(callback: dict[str, Any], epochs: int = 1, **trainer: object) -> dict[str, Any]:
    settings = {"epochs": epochs, "batch_size": 64, "optimizer": "adamw", "log_every": 1, "device": "cpu", **trainer}
    return {**CONFIG, "trainer": settings, "callbacks": [callback]}


def train(folder: Path, callback: dict[str, Any], epochs: int = 1, resume: bool = False) -> None:
    Experiment.from_dict(experiment(callback, epochs)).train(folder, resume)


class Missing(importlib.abc.MetaPathFinder):
    """Hides a package that may be installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None) -> None:
        if fullname == self._package:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


class TestWithoutThePackage:
    @pytest.mark.parametrize("name", TRACKERS)
    def test_says_what_to_install(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in [module for module in sys.modules if module.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setattr(sys, "meta_path", [Missing(name), *sys.meta_path])
        said = (
            rf"^the callback {name} needs the package {name}, which is not installed: pip install 'upt-core\[{name}\]'"
        )
        with pytest.raises(UserError, match=said):
            train(tmp_path / "run", {"name": name})

    def test_nothing_imports_it_before_a_run(self) -> None:
        code = (
            "import sys; from upt_core import Experiment; from upt_core.commands import installed; r = installed();"
            f"[r.load('callback', name)() for name in {TRACKERS}];"
            f"print([m for m in {TRACKERS} if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "[]", done.stderr

    @pytest.mark.parametrize("tracker", [MLflow, Trackio, Wandb])
    def test_bounds_and_hooks(self, tracker: type[MLflow | Trackio | Wandb]) -> None:
        check_callback(tracker())
        with pytest.raises(ValueError, match="project must not be empty; got ' '"):
            tracker(project=" ")
        with pytest.raises(ValueError, match="run_name must not be empty; got ''"):
            tracker(run_name="")

    def test_wandb_refuses_another_mode(self) -> None:
        with pytest.raises(ValueError, match="Wandb: mode expected 'online' or 'offline'; got 'dryrun'"):
            Wandb(mode="dryrun")  # type: ignore[arg-type]

    def test_configurations(self, tmp_path: Path) -> None:
        assert read_config(tmp_path) == {}
        assert flat({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": {}}) == {"a.b.c": 1, "a.d": [1, 2], "e": {}}


class TestMLflow:
    def test_a_run_that_goes_on_is_one_run_with_all_values_and_a_failed_one_is_marked(self, tmp_path: Path) -> None:
        for package in ("mlflow", "sqlalchemy"):
            if find_spec(package) is None:
                pytest.skip(f"{package} is not installed; needs pip install 'upt-core[mlflow]'")
        callback = {"name": "mlflow", "tracking_uri": f"sqlite:///{tmp_path / 'store.db'}", "tags": ["first"]}
        first, second = experiment(callback), experiment(callback, 2)
        broken = experiment(callback, 3, optimizer={"name": "sgd", "lr": 1e30})
        done = train_elsewhere((tmp_path / "run", first), (tmp_path / "run", second), (tmp_path / "broken", broken))
        assert "the term became" in done.stderr
        run_id = (tmp_path / "run" / "mlflow_run.txt").read_text().strip()
        with closing(sqlite3.connect(tmp_path / "store.db")) as store:
            runs = store.execute("SELECT name, status FROM runs").fetchall()
            metrics = store.execute("SELECT key, step FROM metrics WHERE run_uuid = ?", [run_id]).fetchall()
            params = dict(store.execute("SELECT key, value FROM params WHERE run_uuid = ?", [run_id]).fetchall())
            tags = dict(store.execute("SELECT key, value FROM tags WHERE run_uuid = ?", [run_id]).fetchall())
        assert sorted(runs) == [("broken", "FAILED"), ("run", "FINISHED")]
        assert {key for key, _ in metrics} >= LOGGED
        assert (params["model.encoder.patch"], params["trainer.epochs"], tags["first"]) == ("8", "1", "true")
        steps = sorted(step for key, step in metrics if key == "validation/rmse")
        assert len(steps) == 2
        assert steps[1] == 2 * steps[0]


def train_elsewhere(*runs: tuple[Path, dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since MLflow and wandb exchange parts of Python for the whole process."""
    code = (
        "import json, sys\nfrom pathlib import Path\nfrom upt_core import Experiment\n"
        "for folder, config in json.loads(sys.argv[1]):\n"
        "    Experiment.from_dict(config).train(Path(folder), resume=Path(folder).exists())\n"
    )
    plain = json.dumps([(str(folder), config) for folder, config in runs])
    return subprocess.run([sys.executable, "-c", code, plain], capture_output=True, text=True, check=False)


class TestWandb:
    def test_an_offline_run_that_goes_on_keeps_its_id_and_all_values(self, tmp_path: Path) -> None:
        if find_spec("wandb") is None:
            pytest.skip("needs pip install 'upt-core[wandb]'")
        callback = {"name": "wandb", "mode": "offline", "project": "p", "tags": ["first"]}
        done = train_elsewhere((tmp_path / "run", experiment(callback)), (tmp_path / "run", experiment(callback, 2)))
        assert done.returncode == 0, done.stderr
        run_id = (tmp_path / "run" / "wandb_run.txt").read_text().strip()
        logs = sorted((tmp_path / "run" / "wandb").glob(f"offline-run-*-{run_id}*/run-{run_id}.wandb"))
        assert len(logs) == len(list((tmp_path / "run" / "wandb").glob("offline-run-*")))
        written = logs[0].read_bytes()  # names stand there behind their lengths
        assert [name for name in sorted(LOGGED) if bytes([len(name)]) + name.encode() not in written] == []
        assert b'"patch":8' in written.replace(b" ", b"")


class TestTrackio:
    def test_a_run_that_goes_on_is_one_run_with_all_values(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "store"))
        if find_spec("trackio") is None:
            pytest.skip("needs pip install 'upt-core[trackio]'")
        callback = {"name": "trackio", "project": "p"}
        done = train_elsewhere((tmp_path / "run", experiment(callback)), (tmp_path / "run", experiment(callback, 2)))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "run" / "trackio_run.txt").read_text() == "run\n"
        with closing(sqlite3.connect(tmp_path / "store" / "p.db")) as store:
            rows = store.execute("SELECT run_name, step, metrics FROM metrics").fetchall()
        assert {row[0] for row in rows} == {"run"}
        assert {name for row in rows for name in json.loads(row[2])} >= LOGGED
        steps = sorted(step for _, step, metrics in rows if "validation/rmse" in json.loads(metrics))
        assert len(steps) == 2
        assert steps[1] == 2 * steps[0]
