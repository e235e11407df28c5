"""Stages: pretrain encoder and decoder, train the approximator on cached latents, tune all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from upt_core import ConfigError, Experiment, hookimpl
from upt_core.config.sections import as_plain
from upt_core.progress import Progress
from upt_core.run.evaluate import evaluate_run
from upt_core.run.experiment import load_run
from upt_core.run.metrics_log import read_metrics
from upt_core.training import checkpoint

Tiny = Callable[..., Experiment]

PRETRAIN: dict[str, Any] = {
    "name": "pretrain",
    "freeze": ["approximator"],
    "losses": {"forward": None, "inv_enc": {"name": "inverse_encoding"}},
    "trainer": {"epochs": 2},
}
OPERATOR: dict[str, Any] = {
    "name": "operator",
    "freeze": ["encoder", "decoder"],
    "cache_latents": True,
    "losses": {"forward": {"name": "forward", "space": "latent"}, "inv_enc": None, "inv_dec": None},
    "trainer": {"epochs": 3, "optimizer": {"name": "adamw", "lr": 0.002}},
}
TUNE: dict[str, Any] = {"name": "tune", "trainer": {"epochs": 1, "batch_size": 8}}
STAGES = [PRETRAIN, OPERATOR, TUNE]


class Watch:
    """Notes the progress that listeners are told, and stops at an epoch of the run."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[tuple[int, int]] = []
        self.stop_at = stop_at

    @hookimpl
    def epoch_ended(self, progress: Progress) -> None:
        self.seen.append((progress.epoch, progress.num_epochs))
        if progress.epoch == self.stop_at:
            raise KeyboardInterrupt


def part_of(path: Path, part: str) -> dict[str, torch.Tensor]:
    state = checkpoint.load(path)["model"]
    return {name: value for name, value in state.items() if name.startswith(part)}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_each_stage_trains_what_is_not_frozen_and_goes_on_from_the_one_before(tiny: Tiny, run_dir: Path) -> None:
    watch = Watch()
    results = tiny(stages=STAGES).train(run_dir, listeners=[watch])
    assert set(results) == {"model", "persistence"}
    assert watch.seen == [(epoch, 6) for epoch in range(6)]
    folders = [run_dir / "checkpoints" / name for name in ("01-pretrain", "02-operator", "03-tune")]
    best = [folder / "best.pt" for folder in folders]
    last = [folder / "last.pt" for folder in folders]
    start = {k: v for k, v in tiny().build().bundle.model.state_dict().items() if k.startswith("approximator")}
    assert same(part_of(last[0], "approximator"), start)
    assert same(part_of(last[1], "encoder"), part_of(best[0], "encoder"))
    assert same(part_of(last[1], "decoder"), part_of(best[0], "decoder"))
    assert not same(part_of(last[1], "approximator"), start)
    assert not same(part_of(last[2], "encoder"), part_of(best[1], "encoder"))
    assert (run_dir / "checkpoints" / "best.pt").read_bytes() == best[2].read_bytes()


def test_a_staged_run_is_evaluated_as_its_last_stage(tiny: Tiny, run_dir: Path) -> None:
    results = tiny(stages=STAGES).train(run_dir)
    assert as_plain(load_run(run_dir).settings) == as_plain(tiny(stages=STAGES).settings)
    assert evaluate_run(run_dir) == results
    assert "model" in evaluate_run(run_dir, which="last")


def test_metrics_count_epochs_over_the_whole_run(tiny: Tiny, run_dir: Path) -> None:
    tiny(stages=STAGES).train(run_dir)
    lines = [line for line in read_metrics(run_dir) if line["kind"] == "epoch"]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6]
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps)
    assert len(set(steps)) == 6


@pytest.mark.parametrize("stop_at", [1, 3])
def test_an_interrupted_run_goes_on_in_its_stage(tiny: Tiny, tmp_path: Path, stop_at: int) -> None:
    whole = tiny(stages=STAGES).train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        tiny(stages=STAGES).train(tmp_path / "halves", listeners=[Watch(stop_at)])
    watch = Watch()
    assert tiny(stages=STAGES).train(tmp_path / "halves", resume=True, listeners=[watch]) == whole
    assert watch.seen[0] == (stop_at + 1, 6)


def test_a_term_that_trains_nothing_in_a_later_stage_is_refused_before_the_first(tiny: Tiny, run_dir: Path) -> None:
    stages = [PRETRAIN, {"name": "operator", "freeze": ["encoder", "decoder"]}]
    with pytest.raises(ValueError, match="losses.inv_enc: this term reaches no trainable parameter"):
        tiny(stages=stages).train(run_dir)
    assert list(run_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"name": "a", "cache_latents": True}, r"stages.0.cache_latents: latents change while the encoder trains"),
        ({"name": "a", "freeze": ["encoder", "approximator", "decoder"]}, r"stages.0.freeze: with all parts frozen"),
        ({"name": "a", "trainer": {"epoch": 3}}, r"stages.0.trainer.epoch: unknown key"),
        ({"name": "a", "losses": {"forward": {"nam": 1}}}, r"stages.0.losses.forward.nam"),
        ({"name": "a b"}, r"stages.0.name"),
        ({"name": "a", "frozen": ["encoder"]}, r"stages.0.frozen: unknown key"),
    ],
)
def test_mistakes_in_a_stage_are_located(tiny: Tiny, stage: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny(stages=[stage])


def test_two_stages_of_one_name_are_refused(tiny: Tiny) -> None:
    with pytest.raises(ConfigError, match=r"stages.1.name: stage 1 is called 'a' too"):
        tiny(stages=[{"name": "a"}, {"name": "a"}])


def test_places_of_mistakes_are_those_of_the_stage_in_the_file(tiny: Tiny, tmp_path: Path) -> None:
    plain = as_plain(tiny().settings)
    plain["stages"] = [{"name": "a", "trainer": {"epochs": 0}}]
    path = tmp_path / "staged.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False))
    line = path.read_text().splitlines().index("    epochs: 0") + 1
    with pytest.raises(ConfigError, match=rf"staged.yaml:{line}:\d+: stages.0.trainer.epochs"):
        Experiment.from_yaml(path)
