"""Built-in callbacks on a real run of three epochs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from upt_callbacks.csv import Csv
from upt_callbacks.tensorboard import TensorBoard
from upt_core import Experiment

CONFIG = {
    "data": {"name": "burgers1d", "num_trajectories": 12, "points": 32},
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "grid", "patch": 8},
        "approximator": {"name": "transformer", "depth": 1, "heads": 2},
        "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
    },
    "losses": {
        "forward": {"name": "forward"},
        "late": {
            "name": "inverse_encoding",
            "weight": {"name": "curriculum", "base": 0.1, "warmup_epochs": 1, "max_weight": 1.0},
        },
    },
    "trainer": {"epochs": 3, "batch_size": 64, "optimizer": {"name": "adamw", "lr": 1e-3}, "log_every": 1},
    "validation": {"metrics": {"rmse": {"name": "rmse"}}, "every": 3},
}


def train(folder: Path, callback: dict[str, object], epochs: int = 3, resume: bool = False) -> None:
    trainer = {**CONFIG["trainer"], "epochs": epochs, "device": "cpu"}
    Experiment.from_dict({**CONFIG, "trainer": trainer, "callbacks": [callback]}).train(folder, resume)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_for_each_epoch_and_gains_columns_and_resumes(tmp_path: Path) -> None:
    train(tmp_path / "run", {"name": "csv"})
    first, second, third = rows(tmp_path / "run" / "epochs.csv")
    assert [row["epoch"] for row in (first, second, third)] == ["1", "2", "3"]
    assert float(first["loss/forward"]) > 0
    assert first["loss/late"] == ""  # its weight is 0 in the first epoch
    assert float(third["loss/late"]) > 0
    assert first["validation/rmse"] == ""
    assert float(third["validation/rmse"]) > 0
    train(tmp_path / "run", {"name": "csv"}, epochs=4, resume=True)
    assert [row["epoch"] for row in rows(tmp_path / "run" / "epochs.csv")] == ["1", "2", "3", "4"]


def test_csv_refuses_a_path() -> None:
    with pytest.raises(ValueError, match=r"file must be a plain name such as epochs.csv; got '../x.csv'"):
        Csv("../x.csv")


def test_tensorboard_has_every_terms_value_and_weight(tmp_path: Path) -> None:
    train(tmp_path / "run", {"name": "tensorboard"})
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    tags = set(log.Tags()["scalars"])
    wanted = {"loss/total", "loss/forward", "loss/late", "weight/forward", "weight/late", "lr", "gradient_norm"}
    assert wanted <= tags
    assert {"validation/rmse", "epoch/loss/forward", "epoch/gradient_share/forward"} <= tags
    assert [event.value for event in log.Scalars("weight/forward")] == [1.0] * len(log.Scalars("lr"))


def test_tensorboard_refuses_no_time() -> None:
    with pytest.raises(ValueError, match="TensorBoard: flush_seconds must be greater than 0; got 0"):
        TensorBoard(flush_seconds=0)


def test_tensorboard_shows_predictions_and_where_the_sampler_looked(tmp_path: Path) -> None:
    config = {**CONFIG, "sampler": {"name": "stratified", "num_queries": 8}, "callbacks": ["tensorboard"]}
    Experiment.from_dict({**config, "trainer": {**CONFIG["trainer"], "device": "cpu"}}).train(tmp_path / "run")
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    assert set(log.Tags()["images"]) == {"predictions", "query_points/sampler"}
    assert all(event.width > 100 and event.height > 100 for event in log.Images("predictions"))


def test_tensorboard_without_images(tmp_path: Path) -> None:
    train(tmp_path / "run", {"name": "tensorboard", "images": False})
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    assert log.Tags()["images"] == []
