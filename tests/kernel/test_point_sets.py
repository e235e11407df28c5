"""The owner of points: each point set is dealt with once, whoever asks, and padding changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from upt_core import DataSpec, FieldSpec, InMemory, LocalityOrder, Need, Points, Trajectory
from upt_core.data import point_sets as module
from upt_core.data.loader import Batches
from upt_core.data.normalize import Normalization
from upt_core.data.point_sets import PointSets
from upt_core.data.windows import Windows

FIELD = (FieldSpec("u"),)
DATA = DataSpec(FIELD, FIELD, (2.0, 2.0), (False, False), steady=True, origin=(-1.0, -1.0))
SIZES = (7, 4, 7, 5)


@dataclass(frozen=True)
class Counted(Need):
    """The mean of the coordinates; writes a line each time it is found."""

    log: str

    def compute(self, points: Points) -> tuple[torch.Tensor, ...]:
        with Path(self.log).open("a") as file:
            file.write(f"{points.num_points}\n")
        return (points.coords_BNX[0].mean(0),)


def windows(sizes: Sequence[int] = SIZES, first_set: int = 0) -> Windows:
    """Samples whose points do not fill the box; equal sizes are equal points."""
    trajectories = []
    for number, size in enumerate(sizes):
        coords = torch.rand(size, 2, generator=torch.Generator().manual_seed(size)) * 0.3 + 0.5
        trajectories.append(
            Trajectory({"u": torch.rand(1, size, 1)}, coords, torch.zeros(1), {}, point_set=first_set + number)
        )
    return Windows(InMemory(trajectories), DATA, 1)


def batches(point_sets: PointSets, size: int = 2, split: int = 0) -> Batches:
    return Batches(windows(first_set=split), Normalization.identity(DATA), size, point_sets=point_sets)


def lines(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def test_a_point_set_is_dealt_with_once_for_all_splits_and_epochs(tmp_path: Path) -> None:
    need = Counted(str(tmp_path / "log"))
    point_sets = PointSets(DATA, (need,))
    for split in (0, 10):
        for batch in batches(point_sets, split=split).iterate(0, 6):
            assert batch.points.knows(need)
    assert sorted(lines(tmp_path / "log")) == ["4", "5", "7"]  # the two of 7 points are the same points


def test_readers_ahead_deal_with_a_point_set_once(tmp_path: Path) -> None:
    need = Counted(str(tmp_path / "log"))
    point_sets = PointSets(DATA, (need,))
    own = batches(point_sets)
    means = [[batch.points.get(need)[0] for batch in own.iterate(start, start + 2, workers=1)] for start in (0, 2)]
    assert sorted(lines(tmp_path / "log")) == ["4", "5", "7"]
    assert all(torch.equal(*pair) for pair in zip(*means, strict=True))
    folder = point_sets._folder
    assert folder is not None
    assert folder.is_dir()
    del own, point_sets
    assert not folder.exists()


def test_a_need_added_later_is_found_too(tmp_path: Path) -> None:
    point_sets, need = PointSets(DATA), Counted(str(tmp_path / "log"))
    assert not batches(point_sets)[0].points.knows(need)
    point_sets.want((need, need))
    assert batches(point_sets)[0].points.knows(need)


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need = Counted(str(tmp_path / "log"))
    point_sets = PointSets(DATA, (need,))
    monkeypatch.setattr(module, "KEPT_BYTES", 100)  # a set of 7 points takes 64, one of 4 takes 40, of 5 takes 48
    own = batches(point_sets, size=1)
    expected = [own[number].points.coords_BNX for number in range(4)]
    assert all(torch.equal(own[number].points.coords_BNX, expected[number]) for number in range(4))
    assert len(lines(tmp_path / "log")) > 3
    assert sum(points.kept_bytes for points in point_sets._kept.values()) <= 100


def test_what_a_batch_knows_of_a_sample_is_what_it_knows_alone() -> None:
    point_sets = PointSets(DATA, (LocalityOrder(),))
    together = batches(point_sets, size=4)[0].points
    assert together.lengths == SIZES
    for row, size in enumerate(SIZES):
        alone = batches(PointSets(DATA, (LocalityOrder(),)), size=1)[row].points
        assert torch.equal(together.coords_BNX[row, :size], alone.coords_BNX[0])
        assert torch.equal(together.locality_order_BN[row, :size], alone.locality_order_BN[0])
        assert together.locality_order_BN[row, size:].tolist() == list(range(size, 7))


def test_points_by_hand_know_the_same_as_those_of_the_loader() -> None:
    together = batches(PointSets(DATA, (LocalityOrder(),)), size=4)[0].points
    by_hand = Points(together.coords_BNX, lengths=SIZES)
    assert torch.equal(by_hand.locality_order_BN, together.locality_order_BN)
    single = Points(together.coords_BNX[1:2], lengths=SIZES[1:2])
    assert torch.equal(single.locality_order_BN, together.locality_order_BN[1:2])


def test_a_folder_that_takes_no_files_costs_time_only(tmp_path: Path) -> None:
    point_sets = PointSets(DATA, (Counted(str(tmp_path / "log")),))
    point_sets.share()
    assert point_sets._folder is not None
    point_sets._folder.rmdir()
    assert batches(point_sets)[0].points.knows(point_sets.needs[0])
