"""Processes that train together: as one process, up to rounding; each run like itself, in every bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core import UserError
from upt_core.precision import resolve_device
from upt_core.processes import ALONE, Processes, Share, joined
from upt_core.run.metrics_log import read_metrics
from upt_core.training import checkpoint

Found = list[dict[str, Any]]
Start = Callable[[int, str, Path], Found]


@pytest.fixture(scope="module")
def two(folder: Path, started: Start) -> Found:
    return started(2, "two", folder)


@pytest.fixture(scope="module")
def three(two: Found, folder: Path, started: Start) -> Found:
    return started(3, "three", folder)


def the_run(folder: Path) -> Path:
    """The only run folder."""
    [found] = folder.iterdir()
    return found


def last_of(folder: Path, name: str = "checkpoints/last.pt") -> dict[str, Any]:
    return checkpoint.load(the_run(folder) / name)


def same(one: Any, other: Any) -> bool:
    """Equal in every bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


class TestAsOneProcess:
    """All points, so that no draw differs; batches of 7 of 50 samples: in the last one process has no row. In ``rare``
    a term acts on some batches alone: on none of some windows, and seldom on the last of one.

    Training moves weights by up to 0.2, and differences of 1.2e-7 were found: rounding in float32.
    """

    @pytest.mark.parametrize("name", ["dense", "tasks", "rare"])
    def test_weights_and_their_averages(
        self, name: str, two: Found, folder: Path, tmp_path: Path, scenarios: Any
    ) -> None:
        scenarios.train(scenarios.AS_ONE[name], tmp_path)
        one, several = last_of(tmp_path), last_of(folder / name)
        for key, value in one["model"].items():
            assert torch.allclose(value, several["model"][key], atol=2e-6), key
            assert torch.allclose(one["ema"]["average"][key], several["ema"]["average"][key], atol=2e-6), key
        assert one["state"]["step"] == several["state"]["step"]
        assert one["state"]["updates"] == several["state"]["updates"]

    def test_a_start_from_another_run(self, two: Found, folder: Path, tmp_path: Path, scenarios: Any) -> None:
        scenarios.train(scenarios.elsewhere(folder / "dense"), tmp_path)
        one, several = last_of(tmp_path), last_of(folder / "elsewhere")
        for key, value in one["model"].items():
            assert torch.allclose(value, several["model"][key], atol=2e-6), key
        assert two[0]["no start"][0] == "ConfigError"
        assert "model.from: nowhere: there is no such run folder or file" in two[0]["no start"][1]
        assert two[1]["no start"][0] == "OtherProcessError"

    @pytest.mark.parametrize("name", ["dense", "tasks", "rare"])
    def test_logs_and_results(self, name: str, two: Found, tmp_path: Path, scenarios: Any) -> None:
        alone = scenarios.train(scenarios.AS_ONE[name], tmp_path)
        first, second = (found[name] for found in two)
        assert second["steps"] == second["epochs"] == [], "listeners are those of the first process"
        assert first["results"] == second["results"]
        assert first["results"]["model"] == pytest.approx(alone["results"]["model"], rel=1e-4)
        for one, several in zip(alone["steps"], first["steps"], strict=True):
            assert several == pytest.approx(one, rel=1e-3)
        for one, several in zip(alone["epochs"], first["epochs"], strict=True):
            assert several.keys() == one.keys()
            means = {key: value for key, value in one.items() if key.startswith(("loss/", "gradient_share/"))}
            assert {key: several[key] for key in means} == pytest.approx(means, rel=1e-4)


class TestResume:
    @pytest.mark.parametrize("size", [2, 3])
    def test_goes_on_bit_by_bit_in_every_process(self, size: int, two: Found, three: Found) -> None:
        found = [each["adaptive"] for each in (two if size == 2 else three)]
        for each in found:
            assert same(each["whole"], each["resumed"])
        for part in ("model", "ema", "optimizers", "samplers", "state"):
            assert all(same(each["whole"][part], found[0]["whole"][part]) for each in found), part

    @pytest.mark.parametrize("size", [2, 3])
    def test_a_signal_to_one_ends_all_after_the_next_logged_step(self, size: int, two: Found, three: Found) -> None:
        for each in two if size == 2 else three:
            assert each["adaptive"]["stopped"][0] == "Interrupted"
            assert each["adaptive"]["updates"] == 10

    def test_a_checkpoint_of_two_goes_on_in_three(self, three: Found, two: Found) -> None:
        states = [each["more"] for each in three]
        assert not any(torch.equal(states[i], states[j]) for i, j in ((0, 1), (0, 2), (1, 2)))

    @pytest.mark.parametrize("old", [False, True])
    def test_a_checkpoint_of_two_goes_on_in_one(
        self, old: bool, two: Found, folder: Path, tmp_path: Path, scenarios: Any
    ) -> None:
        path = folder / "adaptive2" / "halves" / "checkpoints" / "last.pt"
        state = checkpoint.load(path)
        if old:  # as they were before several processes could train
            del state["random_of_others"]
        trainer, _ = scenarios.trainer_of(scenarios.ADAPTIVE, tmp_path, ALONE)
        trainer.load_state_dict(state, path)
        assert torch.equal(torch.get_rng_state(), state["random"]["torch"])


class TestOneRun:
    def test_the_first_process_writes(self, two: Found, folder: Path) -> None:
        run = the_run(folder / "dense")
        assert json.loads((run / "environment.json").read_text())["processes"] == 2
        epochs = [line for line in read_metrics(run) if line["kind"] == "epoch"]
        assert [line["epoch"] for line in epochs] == [1, 2, 3]

    def test_stages_and_cached_latents(self, two: Found, folder: Path) -> None:
        first, second = (found["stages"] for found in two)
        assert first["results"] == second["results"]
        assert sorted(path.name for path in (the_run(folder / "stages") / "checkpoints").iterdir()) == [
            *["01-pretrain", "02-operator"],
            *["best.pt", "last.pt"],
        ]

    def test_saved_buffers_are_those_of_the_first_process(self, two: Found) -> None:
        """Each adds its own number at every call; before each step both get what the first has."""
        first, second = (each["buffer"]["model"] for each in two)
        calls = "approximator.calls"
        assert second[calls].item() == first[calls].item() + 1
        assert all(torch.equal(first[name], second[name]) for name in first if name != calls)

    def test_draws_differ(self, two: Found) -> None:
        assert not torch.equal(two[0]["draws"], two[1]["draws"])

    def test_caches_are_filled_once(self, three: Found) -> None:
        assert three[0]["in_turns"] == []
        assert all(0 in each["in_turns"] for each in three[1:])


class TestMessages:
    def test_each_kind(self, two: Found) -> None:
        for each in two:
            told = each["messages"]
            assert told["of_all"] == [0, 1]
            assert told["of_first"] == "by 0"
            assert told["sums"] == [2.0, 1.0]
            assert told["mean"] == {"a": 0.5}
            assert told["any"] == [True, False]

    def test_who_fails_says_why_and_the_others_end(self, two: Found) -> None:
        first, second = (each["messages"] for each in two)
        assert first["one fails"] == ("OtherProcessError", "process 1 of 2 failed; its message gives the cause")
        assert second["one fails"] == ("UserError", "this one is not well")
        assert first["first fails"][0] == "CheckpointError"
        assert second["first fails"][0] == "OtherProcessError"

    def test_nan_in_one_is_said_by_all_and_the_step_is_not_taken(self, two: Found) -> None:
        for each in two:
            kind, text = each["nan"]
            assert kind == "BadNumbersError"
            assert text.startswith("losses.odd: the term became nan at step 2 (epoch 1); lower trainer")
            assert text.endswith("(process 1)")

    def test_data_that_change_end_all_with_one_message_and_a_checkpoint(self, two: Found) -> None:
        kind, text = two[0]["change"]["raised"]
        assert kind == "DataError"
        assert "waves.npz had" in text
        assert two[1]["change"]["raised"] == (
            "OtherProcessError",
            "process 0 of 2 failed; its message gives the cause",
        )
        assert two[0]["change"]["step"] == two[1]["change"]["step"] == 8, "the end of the first epoch"

    def test_what_several_processes_cannot_do_is_refused(self, two: Found) -> None:
        few, place, mps = two[0]["refused"]
        assert few[0] == "ConfigError"
        assert "trainer.batch_size: is 1, but 2 processes train together, and batch_size counts" in few[1]
        assert place[1].startswith(
            "trainer.device is 'cuda:1', but 2 processes train together, each on a device of its"
        )
        assert mps[1].startswith("trainer.device is 'mps', but 2 processes train together")
        assert {kind for kind, _ in two[1]["refused"]} == {"OtherProcessError"}


class TestAlone:
    def test_one_process_asks_itself(self) -> None:
        with joined() as processes:
            assert processes is ALONE
            assert processes.of_all("x") == ["x"]
            assert processes.of_first(lambda: 3) == 3
            assert processes.mean({"a": 0.1}, 0.5) == {"a": 0.1}
        with pytest.raises(ValueError, match="as it is"), ALONE.agreed(), ALONE.in_turns():
            raise ValueError("as it is")

    def test_others_that_cannot_be_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.delenv("RANK", raising=False)
        message = (
            "WORLD_SIZE is 2, so several processes train together, but RANK.* is not set; start them with torchrun"
        )
        with pytest.raises(UserError, match=message), joined():
            pass

    def test_more_processes_than_devices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        with pytest.raises(UserError, match="CUDA devices for more processes; start one process for each device"):
            resolve_device("cuda", Processes(99, 100, 99))


class TestShare:
    @pytest.mark.parametrize(("rows", "size"), [(7, 2), (7, 3), (1, 3), (2, 2)])
    def test_every_row_is_one_processs(self, rows: int, size: int) -> None:
        shares = [Share(rank, size) for rank in range(size)]
        own = [share.of(range(rows))[: share.count(rows)] for share in shares]
        assert sorted(row for part in own for row in part) == list(range(rows))
        assert all(len(share.of(range(rows))) > 0 for share in shares)
        assert max(share.count(rows) for share in shares) == shares[0].largest(rows)
