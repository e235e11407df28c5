"""Each plugin of the gallery keeps the contract of its kind, and does what it says."""
# ruff: noqa: D101, D102, D103 (the names say it)

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from upt_gallery.blue_noise import BlueNoise, blue_noise
from upt_gallery.csv_folder import CsvFolder
from upt_gallery.fourier import Fourier, mixed
from upt_gallery.gru import Gru
from upt_gallery.relobralo import Relobralo, balanced
from upt_gallery.sobolev import Sobolev, slope_of
from upt_gallery.wall_clock import WallClock

from upt_core import Callback, DataError, Experiment, Points, Progress, hookimpl
from upt_core.testing import (
    check_approximator,
    check_callback,
    check_dataset,
    check_installed,
    check_loss,
    check_sampler,
)

SMALL = {
    "data": {"name": "burgers1d", "num_trajectories": 6, "points": 16, "num_times": 3},
    "model": {
        "latent": {"tokens": 4, "dim": 8},
        "encoder": {"name": "grid", "patch": 4, "depth": 1, "heads": 2},
        "approximator": {"name": "transformer", "depth": 1, "heads": 2},
        "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
    },
    "losses": {"forward": {"name": "forward"}},
    "trainer": {"epochs": 3, "batch_size": 4, "optimizer": "adamw", "device": "cpu"},
    "validation": {"metrics": {"relative_l2": "relative_l2"}},
}


def test_all_are_installed() -> None:
    check_installed("sampler", "blue_noise", BlueNoise)
    check_installed("loss", "sobolev", Sobolev)
    check_installed("approximator", "gru", Gru)
    check_installed("approximator", "fourier", Fourier)
    check_installed("dataset", "csv_folder", CsvFolder)
    check_installed("callback", "relobralo", Relobralo)
    check_installed("callback", "wall_clock", WallClock)


class TestBlueNoise:
    def test_contract(self) -> None:
        """Chance that it fails although it is right: 1e-6."""
        check_sampler(BlueNoise(), distinct=False)

    def test_places_keep_their_distance(self) -> None:
        """Among Q independent places some are nearer than 1 / (4 √Q) with all but certainty; here none are."""
        pattern_QX = blue_noise(256, 2, seed=0)
        offset_QQX = (pattern_QX.unsqueeze(1) - pattern_QX).abs()
        distance_QQ = torch.minimum(offset_QQX, 1 - offset_QQX).norm(dim=-1) + torch.eye(256)
        assert distance_QQ.min() > 1 / (2 * 256**0.5)

    def test_means_vary_less_than_those_of_independent_points(self) -> None:
        axis = torch.linspace(0, 1, 32)
        coords = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).view(1, -1, 2).expand(256, -1, -1)
        queries = BlueNoise(64).draw(Points(coords, (32, 32)), 64, torch.Generator().manual_seed(0), Progress())
        assert queries.index_BQ is not None
        value_B = coords[0].prod(dim=-1)[queries.index_BQ].mean(dim=1)
        independent = coords[0].prod(dim=-1).std() / 64**0.5
        assert value_B.std() < independent * 2 / 3


class TestSobolev:
    def test_contract(self) -> None:
        check_loss(Sobolev(), optimum=True)

    def test_slopes_of_a_line_and_of_a_wave(self) -> None:
        x_N = torch.arange(64, dtype=torch.float64) / 64
        assert slope_of(x_N * 3 * 64 / 63, 0, wraps=False) == pytest.approx(3.0)
        slope_N = slope_of(torch.sin(2 * torch.pi * x_N), 0, wraps=True)
        assert slope_N == pytest.approx(2 * torch.pi * torch.cos(2 * torch.pi * (x_N + 1 / 128)), abs=0.01)

    def test_scattered_points_are_refused(self, folder: Path) -> None:
        with pytest.raises(ValueError, match="sobolev needs a regular grid; this data set has scattered points"):
            Sobolev().check_data(CsvFolder(folder).spec())


class TestApproximators:
    def test_gru_keeps_the_contract(self) -> None:
        check_approximator(Gru, order_matters=False)

    def test_fourier_keeps_the_contract(self) -> None:
        check_approximator(Fourier)

    def test_transform_is_the_sum_that_it_stands_for(self) -> None:
        value_BLD = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0))
        at = torch.arange(3).outer(torch.arange(3)).view(3, 1, 3, 1) / 3
        along = torch.arange(4).outer(torch.arange(4)).view(1, 4, 1, 4) / 4
        expected_LD = (torch.cos(2 * torch.pi * (at + along)) * value_BLD[0]).sum((2, 3)) / 12**0.5
        torch.testing.assert_close(mixed(value_BLD)[0], expected_LD)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five trajectories of a decaying value at three places."""
    for number in range(5):
        rows = [f"{t},{x},{(number + 1) * (x + 1) * 0.5**t}" for t in range(3) for x in (0.0, 0.5, 2.0)]
        (tmp_path / f"{number}.csv").write_text("\n".join(["t,x,u", *rows]))
    return tmp_path


class TestCsvFolder:
    def test_contract(self, folder: Path) -> None:
        check_dataset(CsvFolder(folder, valid_fraction=0.2, test_fraction=0.2))

    def test_values_are_those_of_the_file(self, folder: Path) -> None:
        read = CsvFolder(folder, valid_fraction=0.2, test_fraction=0.2).trajectories("train").read(0, 1, 3)
        assert read.time_T.tolist() == [1, 2]
        assert read.coords_NX.tolist() == [[0.0], [0.5], [2.0]]
        ratio_N = read.fields["u"][0, :, 0] / read.fields["u"][1, :, 0]
        assert ratio_N.tolist() == [2, 2, 2]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", r"0.csv: no column is called 't'; the file has: nothing"),
            ("t,x,v\n0,0,1", r"0.csv: no column is called 'u'; the file has: t, x, v"),
            ("t,x,u", r"0.csv: there is a header and no row"),
            ("t,x,u\n0,0,1\n0,1,oops", r"0.csv, line 3, 'u': 'oops' is no finite number"),
            ("t,x,u\n0,0,1\n0,1,nan", r"0.csv, line 3, 'u': 'nan' is no finite number"),
            ("t,x,u\n0,0,1\n0,1", r"0.csv, line 3, 'u': '' is no finite number"),
            ("t,x,u\n0,0,1\n0,1,1\n1,0,1", r"0.csv, 't': the times have different numbers of rows; each time needs"),
            ("t,x,u\n1,0,1\n0,0,1", r"0.csv, 't': times do not increase from block to block; sort the rows by time"),
            ("t,x,u\n0,0,1\n1,2,1", r"0.csv, x: points change from time to time; each time must list the same points"),
        ],
    )
    def test_what_cannot_be_read_is_refused(self, folder: Path, text: str, message: str) -> None:
        (folder / "0.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            CsvFolder(folder).spec()

    def test_empty_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no file here ends in .csv; name a folder with a CSV file for each"):
            CsvFolder(tmp_path).spec()


class TestWallClock:
    def test_contract(self) -> None:
        check_callback(WallClock())

    def test_a_line_for_each_epoch(self, tmp_path: Path) -> None:
        Experiment.from_dict(SMALL).train(run_dir=tmp_path / "run", listeners=[WallClock()])
        rows = (tmp_path / "run" / "wall_clock.csv").read_text().splitlines()
        assert rows[0] == "epoch,ended,seconds"
        assert [row.split(",")[0] for row in rows[1:]] == ["1", "2", "3"]

    def test_run_ends_before_the_deadline(self, tmp_path: Path) -> None:
        Experiment.from_dict(SMALL).train(run_dir=tmp_path / "run", listeners=[WallClock("2001-01-01 00:00")])
        assert len((tmp_path / "run" / "wall_clock.csv").read_text().splitlines()) == 2
        assert "test" in (tmp_path / "run" / "results.json").read_text()

    def test_other_words_are_refused(self) -> None:
        with pytest.raises(ValueError, match="deadline is 'soon'; write a date and a time, for example 2030-01-31"):
            WallClock("soon")


class TestRelobralo:
    BALANCED = SMALL | {
        "losses": {"forward": {"name": "forward"}, "rebuild": {"name": "inverse_encoding", "weight": 0.5, "every": 2}},
        "trainer": {"epochs": 4, "batch_size": 4, "optimizer": "adamw", "device": "cpu", "log_every": 1},
    }

    def test_contract(self) -> None:
        check_callback(Relobralo())

    def test_factors_of_the_formula(self) -> None:
        found = balanced({"a": 1.0, "b": 0.5, "c": 0.0}, {"a": 1.0, "b": 1.0, "c": 0.0}, temperature=0.5)
        total = sum(math.exp(x) for x in (2, 1, 0))
        assert found == pytest.approx({term: 3 * math.exp(x) / total for term, x in zip("abc", (2, 1, 0), strict=True)})
        assert set(balanced({"a": 1.0, "b": 9.0}, {"a": 1e-9, "b": 9.0}, 1.0).values()) == {0.0, 2.0}

    def test_weights_of_a_run_follow(self, tmp_path: Path) -> None:
        Experiment.from_dict(self.BALANCED).train(
            run_dir=tmp_path / "run", listeners=[Relobralo(temperature=0.1, memory=0.5)]
        )
        found = weights(tmp_path / "run")
        assert found[:2] == [(1.0, 0.5)] * 2  # the second step is the first that there is an earlier one for
        assert len(set(found)) == len(found) - 1
        assert all(forward + 2 * rebuild == pytest.approx(2) for forward, rebuild in found)  # factors have mean 1

    def test_a_resumed_run_has_the_weights_of_a_whole_one(self, tmp_path: Path) -> None:
        experiment = Experiment.from_dict(
            self.BALANCED | {"callbacks": [{"name": "relobralo", "temperature": 0.1, "memory": 0.5}]}
        )
        experiment.train(run_dir=tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            experiment.train(run_dir=tmp_path / "parts", listeners=[Interrupted()])
        experiment.train(run_dir=tmp_path / "parts", resume=True)
        whole, parts = (weights(tmp_path / name) for name in ("whole", "parts"))
        assert len(whole) > 4
        assert parts == whole


class Interrupted(Callback):
    """Ctrl-C after the second epoch."""

    @hookimpl
    def epoch_ended(self, progress: Progress) -> None:
        if progress.epoch == 1:
            raise KeyboardInterrupt


def weights(run: Path) -> list[tuple[float, float]]:
    """Weights of the two terms at each logged step."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(row["weight/forward"], row["weight/rebuild"]) for row in rows if row["kind"] == "step"]
