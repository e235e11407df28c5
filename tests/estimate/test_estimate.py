"""``upt estimate``: what it foresees is what a step takes, and what it says can be relied on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from upt_bench.estimate_cases import CASES
from upt_bench.measured_peak import measured_peak
from upt_core import Experiment, UserError
from upt_core.cli import main
from upt_core.commands import blocks_of
from upt_estimate.division import gathered_bytes, part_bytes
from upt_estimate.few import Few
from upt_estimate.limits import largest_batch, largest_queries
from upt_estimate.sizes import number_text, parse_size, size_text
from upt_estimate.subject import Subject
from upt_estimate.trial import StepCost, try_step

POINTS = "points, supernodes, transformer, perceiver; three losses"
GRID = "2-D, grid, transformer, perceiver; three losses"
SOAP = "1-D, patches, spectral, basis; relative losses; soap"
QUICK = ("1-D, grid, transformer, perceiver; forward on all points", "points, lattice, spectral, basis; forward")


def subject(config: dict[str, Any], **trainer: Any) -> Subject:
    return Subject(Experiment.from_dict(config | {"trainer": config["trainer"] | trainer}))


@pytest.fixture(scope="module")
def grid() -> StepCost:
    return try_step(subject(CASES[GRID]), 8)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in CASES]
)
def test_within_a_tenth_of_the_measured_peak(name: str) -> None:
    config = CASES[name]
    estimated = try_step(subject(config), config["trainer"]["batch_size"]).peak
    assert estimated == pytest.approx(measured_peak(config), rel=0.1)


def test_the_peak_is_what_is_held_and_the_optimizer_has_two_moments(grid: StepCost) -> None:
    assert sum(grid.at_peak.values()) == grid.peak
    parameters = 4 * sum(grid.parameters.values())
    assert grid.at_peak["parameters"] == pytest.approx(parameters, rel=0.02)
    assert grid.at_peak["optimizer"] == pytest.approx(2 * parameters, rel=0.01)


def test_what_is_kept_is_told_by_term_and_part_at_its_own_points(grid: StepCost) -> None:
    assert grid.queries == {"forward": 512, "inverse_encoding": 512, "inverse_decoding": 1024}
    kept = {label[1:]: size for label, size in grid.kept.items()}
    assert kept["inverse_decoding", "decoder"] > 1.5 * kept["forward", "decoder"] > 0
    assert ("inverse_encoding", "decoder") not in kept  # it takes the decoding of inverse_decoding


def test_flops_are_those_that_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = CASES[GRID] | {"losses": {"forward": {"name": "forward", "space": "latent"}}}
    config["model"] = config["model"] | {"encoder": "patches", "approximator": "convolution"}
    config["model"]["latent"] = {"tokens": [8, 8], "dim": 32}
    built = Experiment.from_dict(config).build()
    batch = built.train[0]
    with FlopCounterMode(display=False) as counted:
        built.bundle(batch, subject(config).progress).total.backward()
    assert try_step(subject(config), 8).flops == counted.get_total_flops()


@pytest.mark.parametrize("attention", ["windowed", "linear"])
def test_cheaper_attention_is_estimated_as_it_is_measured(attention: str) -> None:
    """A padded window (5 does not divide 16), its mask, and the sums of linear attention."""
    config = CASES[SOAP]
    approximator = {"name": "transformer", "depth": 2, "attention": attention}
    approximator |= {"window": 5} if attention == "windowed" else {}
    config = config | {"model": config["model"] | {"approximator": approximator}}
    estimated = try_step(subject(config), config["trainer"]["batch_size"]).peak
    assert estimated == pytest.approx(measured_peak(config), rel=0.1)


def test_memory_grows_along_a_line_so_the_largest_batch_fits_and_the_next_does_not() -> None:
    small = subject(CASES[QUICK[0]])
    limit = 100 * 2**20
    size = largest_batch(small, limit)
    assert try_step(small, size).peak <= limit < try_step(small, size + 1).peak
    assert largest_batch(small, 2**20) == 0


def test_the_optimizer_holds_more_than_the_backward_pass_of_a_few_samples() -> None:
    """Then the peak does not grow at first, and two small batches say nothing of large ones."""
    small = subject(CASES[SOAP])
    few, more = try_step(small, 1), try_step(small, 2)
    assert more.peak - few.peak < 0.1 * sum(few.kept.values())
    for limit in (2 * few.peak, 10 * few.peak):
        size = largest_batch(small, limit)
        assert try_step(small, size).peak <= limit < try_step(small, size + 1 + size // 100).peak
    assert largest_batch(small, few.peak - 1) == 0


def test_the_most_query_points_fit() -> None:
    own = subject(CASES[GRID] | {"losses": {"forward": "forward"}})
    limit = try_step(own, 8, 300).peak
    assert largest_queries(own, limit, 8) in range(297, 302)
    assert largest_queries(own, 2**40, 8) == 1024
    assert largest_queries(own, 2**20, 8) == 0


def test_several_devices_hold_buckets_for_the_mean_gradient() -> None:
    own = subject(CASES[QUICK[0]])
    alone, one_of_two = try_step(own, 8), try_step(own, 8, devices=2)
    parameters = 4 * sum(alone.parameters.values())
    assert one_of_two.at_peak["gradient buckets"] == pytest.approx(parameters, rel=0.01)
    assert one_of_two.peak - alone.peak == one_of_two.at_peak["gradient buckets"]


class TestDivided:
    """``strategy: fsdp``: the formulas of docs/scale.md."""

    @staticmethod
    def step(devices: int, **trainer: Any) -> StepCost:
        return try_step(subject(CASES[GRID], strategy="fsdp", **trainer), 8, devices=devices)

    def test_parameters_average_and_moments_are_divided_and_blocks_gathered(self) -> None:
        alone, divided = self.step(1, ema=0.99), self.step(4, ema=0.99)
        for what in ("parameters", "optimizer", "moving average"):
            # cut along the first axis: what has fewer rows than processes is not divided evenly
            assert divided.at_peak[what] == pytest.approx(alone.at_peak[what] / 4, rel=0.05), what
        assert "gradient buckets" not in divided.at_peak
        assert divided.at_peak["activations"] == alone.at_peak["activations"]
        assert sum(divided.at_peak.values()) == divided.peak

    def test_what_is_gathered_is_the_largest_block_twice_with_its_gradient_and_that_ones_copy(self) -> None:
        own = subject(CASES[GRID])
        model = own.experiment.build_model(own.prepared.data)
        sizes = []
        for part in (model.encoder, model.approximator, model.decoder):
            of_blocks = [sum(p.numel() for p in block.parameters()) for block in blocks_of(part)]
            sizes += [*of_blocks, sum(p.numel() for p in part.parameters()) - sum(of_blocks)]
        assert len(sizes) > 6
        largest = max(sizes)
        assert gathered_bytes(model, "fp32") == (4 + 4 + 4 + 4) * largest
        assert gathered_bytes(model, "bf16") == (2 + 2 + 2 + 4) * largest
        assert self.step(2).at_peak["gathered blocks"] == gathered_bytes(model, "fp32")

    def test_a_window_keeps_whole_gradients(self) -> None:
        parameters = sum(self.step(1).parameters.values())
        assert self.step(2, accumulate=2).at_peak["gradients of a window"] == 4 * parameters
        assert "gradients of a window" not in self.step(2).at_peak

    def test_muons_momentum_is_divided_and_soaps_states_are_not(self) -> None:
        config = CASES[GRID] | {"losses": {"forward": "forward"}}

        def kept(name: str, devices: int) -> int:
            own = subject(config, strategy="fsdp", optimizer={"name": name})
            return try_step(own, 8, devices=devices).at_peak["optimizer"]

        assert kept("muon", 4) == pytest.approx(kept("muon", 1) / 4, rel=0.05)
        assert kept("soap", 4) > 0.9 * kept("soap", 1)

    @pytest.mark.parametrize(
        ("shape", "devices", "rows"), [((8, 3), 2, 4), ((7, 3), 2, 4), ((1, 3), 2, 1), ((6, 3), 4, 2)]
    )
    def test_the_first_process_has_the_most_rows(self, shape: tuple[int, int], devices: int, rows: int) -> None:
        assert part_bytes(torch.zeros(shape), devices) == 4 * 3 * rows
        assert part_bytes(torch.zeros(()), devices) == 4


def test_frozen_parts_have_neither_gradients_nor_optimizer_state(grid: StepCost) -> None:
    frozen = try_step(Subject(Experiment.from_dict(CASES[GRID]), ("encoder", "decoder")), 8)
    moments = 8 * frozen.parameters["approximator"]
    assert frozen.at_peak["optimizer"] == pytest.approx(moments, rel=0.01)
    assert frozen.peak < grid.peak


def test_nothing_of_its_size_is_allocated() -> None:
    """A model of 3 billion parameters, on which real tensors would take 50 GB."""
    config = CASES[GRID] | {"losses": {"forward": "forward"}}
    config["model"] = config["model"] | {"latent": {"tokens": 1024, "dim": 8192}}
    assert sum(try_step(subject(config), 8).parameters.values()) > 2e9


def test_few_trajectories_are_read_evenly_spaced() -> None:
    config = CASES[QUICK[0]]
    dataset = Experiment.from_dict(config).settings.data.build()
    few = Few(dataset, samples=3, times=2)
    chosen = few.trajectories("train")
    assert chosen.numbers == [0, 4, 8, 2] or sorted(chosen.numbers) == list(chosen.numbers)
    assert len(chosen) == 4 < len(dataset.trajectories("train"))
    assert max(chosen.num_times(index) for index in range(4)) <= 64
    torch.testing.assert_close(
        chosen.read(1, 0, 2).fields["u"], dataset.trajectories("train").read(chosen.numbers[1], 0, 2).fields["u"]
    )


def test_values_that_are_not_known_are_an_error_that_says_who_read_them() -> None:
    own = subject(CASES[GRID] | {"losses": {"forward": "forward"}})
    built = own.experiment.build_model
    own.experiment.build_model = lambda data: _reading(built(data))  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"activations › forward › decoder reads values .* callback profiler"):
        try_step(own, 4)


def test_an_estimate_that_fails_leaves_the_classes_as_they_were() -> None:
    """While it runs, neighbour searches are done on real tensors; nobody else must meet them."""
    own = subject(CASES[POINTS])
    needs = own.experiment.build_model(own.prepared.data).encoder.needs
    before = {type(need): dict(vars(type(need))) for need in needs}
    assert before
    built = own.experiment.build_model
    own.experiment.build_model = lambda data: _reading(built(data))  # type: ignore[method-assign]
    with pytest.raises(UserError, match="reads values"):
        try_step(own, 4)
    assert {kind: dict(vars(kind)) for kind in before} == before


def _reading(model: Any) -> Any:
    model.decoder.register_forward_hook(lambda part, given, answer: answer * float(answer.mean()))
    return model


def estimate(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["estimate", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "experiment.yaml"
    path.write_text(json.dumps(CASES[GRID]), encoding="utf-8")
    return str(path)


def test_the_command_as_a_table_and_with_everything_asked_for(file: str, tmp_path: Path) -> None:
    picture = tmp_path / "memory.png"
    done = estimate(file, "--memory", "64MiB", "--what-if", "--plot", str(picture))
    assert done.exit_code == 0, done.output
    assert "of 6 training trajectories" in done.output
    assert "with 64 MiB for each device: trainer.batch_size=" in done.output
    for word in ("activation checkpointing", "decoding in chunks of 256", "bf16", "FLOP", "inverse_decoding"):
        assert word in done.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_no_batch_is_larger_than_the_training_split(file: str) -> None:
    found = json.loads(estimate(file, "--memory", "1TB", "--json").output)
    samples = len(Experiment.from_dict(CASES[GRID]).build().train.windows)
    assert found["training_samples"] == samples < found["largest_batch"]
    said = f"; the training split has {samples} samples, so use that at most"
    assert said in estimate(file, "--memory", "1TB").output


def test_the_command_as_json_with_overrides_and_devices(file: str) -> None:
    found = json.loads(estimate(file, "trainer.batch_size=4", "--devices", "2", "--json").output)
    assert (found["batch_size"], found["devices"], found["points"]) == (2, 2, 1024)
    assert found["peak"] == sum(found["at_peak"].values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--memory", "much"], "--memory: expected a size such as 80GB, 24GiB or 500MB; got 'much'"),
        (["--devices", "9"], "--devices: expected 1 to 8, as a batch has 8 samples; got 9"),
    ],
)
def test_wrong_requests(file: str, arguments: list[str], message: str) -> None:
    done = estimate(file, *arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_tasks_are_estimated_one_by_one() -> None:
    config = CASES[QUICK[0]] | {"tasks": {name: {"data": CASES[QUICK[0]]["data"]} for name in ("one", "two")}}
    del config["data"]
    with pytest.raises(UserError, match=r"has the tasks one, two; write an experiment for each task"):
        Subject(Experiment.from_dict(config))


def test_sizes() -> None:
    assert [parse_size(text) for text in ("80GB", "1.5GiB", "500 MB", "24G")] == [
        80 * 10**9,
        3 * 2**29,
        5 * 10**8,
        24 * 2**30,
    ]
    assert size_text(1536) == "1.5 KiB"
    assert size_text(3 * 2**40) == "3 TiB"
    assert number_text(6.761e9) == "6.76 G"
    assert number_text(2e15) == "2 P"


@pytest.mark.parametrize("points", [True, False], ids=["scattered", "grid"])
def test_points_that_all_samples_share_keep_their_values(points: bool, tmp_path: Path) -> None:
    """An open grid whose points lie off the places of tokens: the encoder looks at coordinates."""
    x = np.linspace(0, 1, 16)
    arrays = {"u": np.random.default_rng(0).random((6, 4, 16)), "x": x, "t": np.arange(4.0)}
    np.savez(tmp_path / "a.npz", **arrays)
    config: dict[str, Any] = {
        "data": {"name": "npz", "path": str(tmp_path / "a.npz")},
        "model": {
            "latent": {"tokens": [4], "dim": 8},
            "encoder": "lattice" if points else "patches",
            "approximator": "spectral",
            "decoder": "basis",
        },
        "losses": {"forward": {"name": "forward"}, "consistency": {"name": "forward", "space": "latent"}},
        "trainer": {"epochs": 1, "batch_size": 8, "optimizer": {"name": "adamw", "lr": 1e-3}},
        "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}}},
    }
    if points:
        config["data"]["uneven"] = "points"
        np.savez(tmp_path / "a.npz", **(arrays | {"x": x**1.5}))
    assert try_step(subject(config), 8).peak > 0
