"""A whole experiment: every problem at once, each with its place; and the resolved experiment, which reads back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upt_core import ConfigError, LatentSpec, Progress, Schedule
from upt_core.config.document import parse, read
from upt_core.config.schema import plugin_model
from upt_core.config.sections import as_plain, plugins_of
from upt_core.config.settings import validate
from upt_core.config.yaml_text import dump_yaml
from upt_core.registry import Registry

Check = Callable[..., Any]
Change = tuple[str, str]


def test_tokens_are_a_number_or_a_lattice(check: Check) -> None:
    assert check().model.latent.spec() == LatentSpec(4, 16)
    lattice = check(("tokens: 4, dim", "tokens: [4, 2], dim")).model.latent.spec()
    assert lattice == LatentSpec(8, 16, (4, 2))
    with pytest.raises(ConfigError, match=r"model.latent.tokens"):
        check(("tokens: 4, dim", "tokens: [4, 0], dim"))
    with pytest.raises(ConfigError, match=r"model.latent.tokens"):
        check(("tokens: 4, dim", "tokens: [], dim"))


def test_all_problems_come_at_once_with_place_and_cure(check: Check, registry: Registry) -> None:
    burgers = plugin_model(registry.find("dataset", "burgers1d"))
    with pytest.raises(ConfigError) as caught:
        check(
            ("num_trajectories: 8", "num_trajectory: 8"),
            ("patch: 8", "patch: 0"),
            ("decoder: perceiver", "decoder: percever"),
            ("epochs: 2", "epochs: '2'"),
            ("validation:", "validaton:"),
        )
    problems = {".".join(map(str, problem.path)): problem for problem in caught.value.problems}
    assert list(problems) == [
        "data.num_trajectory", "model.encoder.patch", "model.decoder", "trainer.epochs", "validation", "validaton",
    ]  # fmt: skip
    assert str(problems["data.num_trajectory"]).splitlines() == [
        "exp.yaml:1:25: data.num_trajectory: unknown key",
        "    did you mean 'num_trajectories'? known keys: "
        + ", ".join(["name", *(parameter.name for parameter in burgers.signature.parameters)]),
        "    declared by dataset 'burgers1d' of upt-core 0.1.0",
    ]
    assert str(problems["trainer.epochs"]) == (
        "exp.yaml:12:3: trainer.epochs: expected a whole number; got '2'\n    passes over the training split"
    )
    assert problems["validaton"].hint.startswith("did you mean 'validation'? known keys: seed, output, data")
    assert problems["validation"].message == "is missing"
    assert str(caught.value).count("exp.yaml:") == 6


def test_a_key_of_another_place_is_named(check: Check) -> None:
    with pytest.raises(
        ConfigError,
        match=r"trainer.seed: unknown key\n    'seed' is a key at the root of the "
        r"experiment; ",
    ):
        check(("epochs: 2", "epochs: 2\n  seed: 1"))
    with pytest.raises(ConfigError, match=r"'trainer.epochs' is a path, as on the command line; in a file, nest mapp"):
        check(("validation:", "trainer.epochs: 3\nvalidation:"))


def test_wrong_indentation_has_a_cure() -> None:
    with pytest.raises(
        ConfigError, match=r"e.yaml:3:2: not valid YAML: .*\n    keys of one mapping begin in the same co"
    ):
        parse("data:\n  name: hdf5\n path: a.h5\n", "e.yaml")


def test_a_callback_that_refuses_its_arguments_is_a_problem_with_its_place(check: Check) -> None:
    with pytest.raises(
        ConfigError, match=r"exp.yaml:\d+:\d+: callbacks.0: .*plain name such as epochs.csv; got '../x'"
    ):
        check(("validation:", "callbacks: [{name: csv, file: ../x}]\nvalidation:"))


def test_a_flood_of_unknown_keys_is_told_shortly(experiment: str, registry: Registry) -> None:
    document = parse(experiment + "".join(f"key{number}: 1\n" for number in range(3000)), "many.yaml")
    with pytest.raises(ConfigError) as caught:
        validate(document, registry)
    assert len(caught.value.problems) == 101
    assert caught.value.problems[-1].message == "and 2900 more problems; correct the ones above first"
    assert len(str(caught.value)) < 4000
    assert re.search(r"key0: unknown key[^$]*and \d+ more problems; correct the ones above first$", str(caught.value))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 2", "epochs: 0", "exp.yaml:12:3: trainer.epochs: must be greater than 0; got 0\n    passes over"),
        ("epochs: 2", "epochs: true", "trainer.epochs: expected a whole number; got true"),
        ("epochs: 2", "epochs: 1.5", "trainer.epochs: expected a whole number; got 1.5"),
        ("epochs: 2", "epochs: 2\n  clip_norm: 0", "trainer.clip_norm: must be greater than 0"),
        ("epochs: 2", "epochs: 2\n  clip_norm: .inf", "trainer.clip_norm: expected a finite number; got Infinity"),
        ("epochs: 2", "epochs: 2\n  ema: 1.0", "exp.yaml:13:3: trainer.ema: must be less than 1.0; got 1.0\n    decay"),
        ("epochs: 2", "epochs: 2\n  precision: fp8", "trainer.precision: expected 'fp32', 'bf16' or 'fp16'; got 'fp8'"),
        ("epochs: 2", "epochs: 2\n  compile: 1", "trainer.compile: expected true or false; got 1"),
        ("epochs: 2", "epochs: 2\n  device: gpu", "trainer.device: does not match ^(auto|cpu|mps|cuda"),
        ("lr: 1e-3", "lr: fast", "exp.yaml:13:28: trainer.optimizer.lr: expected a number; got 'fast'"),
        ("lr: 1e-3", "lr: .nan", "trainer.optimizer.lr: expected a finite number; got NaN"),
        ("patch: 8", "patch: x", "model.encoder.patch: expected a whole number or a list; got 'x'"),
        ("patch: 8", "patch: [8, x]", "exp.yaml:4:36: model.encoder.patch.1: expected a whole number; got 'x'"),
        ("patch: 8", "patch: 8, depth: 2, dept: 1", "did you mean 'depth'? known keys: name, patch"),
        ("{tokens: 4, dim: 16}", "", "exp.yaml:3:3: model.latent: expected a mapping of keys; got null"),
        ("{tokens: 4, dim: 16}", "{tokens: 4, dims: 16}", "did you mean 'dim'? known keys: tokens, dim"),
        ("num_queries: 8", "num_queries: -1", "exp.yaml:7:26: sampler.num_queries: must be at least 1; got -1"),
        ("sampler: {name: uniform", "sampler: {nam: uniform", "sampler: expected the name of a sampler or a mapping"),
        ("sampler: {name: uniform", "sampler: {name: 3", "sampler: expected the name of a sampler or a mapping with"),
        ("data: {name: burgers1d", "data: {name: burgers", "exp.yaml:1:1: data: no dataset is called 'burgers'"),
        ("inverse: {name: inverse_encoding", "1: {name: forward", "losses.1: this key must be text; got 1"),
        ("forward: {name: forward}", "forward: {name: forward, every: 0}", "losses.forward.every: must be at least 1"),
        ("forward: {name: forward}", "forward: {name: forward, weight: x}", "forward.weight: no schedule is called"),
        ("forward: {name: forward}", "forward: 3", "losses.forward: expected the name of a loss or a mapping with"),
        ("metrics: {relative_l2: relative_l2}", "metrics: {}", "validation.metrics: needs at least 1 items; it has 0"),
        ("metrics: {relative_l2: relative_l2}", "metrics: [rmse]", "validation.metrics: expected a mapping of keys"),
        ("epochs: 2", "epochs: 2\ncallbacks: {a: b}", "callbacks: expected a list; got {\"a\": \"b\""),
        ("epochs: 2", "epochs: 2\nseed: -1", "seed: must be at least 0; got -1"),
        ("epochs: 2", "epochs: 2\nseed: 99999999999999999999", "seed: must be less than 9223372036854775808; got 99"),
        ("epochs: 2", "epochs: " + "[" * 40 + "]" * 40, "trainer.epochs: expected a whole number; got [[[["),
    ],
)  # fmt: skip
def test_messages(check: Check, old: str, new: str, message: str) -> None:
    if new.startswith("epochs: 2\n") and not new.startswith("epochs: 2\n "):
        old, new = "trainer:", f"{new.split(chr(10))[1]}\ntrainer:"
    with pytest.raises(ConfigError, match=re.escape(message)):
        check((old, new))


class TestRules:
    """Rules across sections."""

    def test_an_unknown_monitor(self, check: Check) -> None:
        message = (
            r"exp.yaml:16:3: validation.monitor: no metric is called 'relative'; there are: relative_l2\n    did you"
        )
        with pytest.raises(ConfigError, match=message):
            check(("relative_l2: relative_l2}", "relative_l2: relative_l2}\n  monitor: relative"))

    def test_half_precision_without_cuda(self, check: Check) -> None:
        message = r"exp.yaml:13:3: trainer.precision: fp16 needs CUDA\n    use bf16 or fp32 on the CPU"
        with pytest.raises(ConfigError, match=message):
            check(("epochs: 2", "epochs: 2\n  precision: fp16\n  device: cpu"))

    def test_a_sampler_for_a_term_that_takes_none(self, check: Check) -> None:
        message = r"exp.yaml:9:32: losses.forward.sampler: this term uses all points\n    remove its sampler"
        with pytest.raises(ConfigError, match=message):
            check(("forward: {name: forward}", "forward: {name: latent_norm, sampler: uniform}"))

    def test_a_sampler_that_the_encoder_does_not_allow(self, check: Check) -> None:
        with pytest.raises(ConfigError, match=r"exp.yaml:10:3: losses.inverse: .*grid"):
            check(("name: inverse_encoding", "name: inverse_decoding, sampler: uniform"))

    def test_nothing_to_train(self, check: Check) -> None:
        message = (
            r"exp.yaml:8:1: losses: every loss term has weight 0, so nothing would be trained\n    give one of them"
        )
        with pytest.raises(ConfigError, match=message):
            check(("weight: 0.5", "weight: 0"), ("forward: {name: forward}", "forward: {name: forward, weight: 0}"))

    LATE = ("weight: 0.5", "weight: {name: curriculum, base: 0.01, warmup_epochs: 2}")

    def test_a_term_that_never_acts(self, check: Check) -> None:
        message = (
            r"exp.yaml:10:37: losses.inverse.weight: is 0 in all 2 epochs, so the term never acts\n"
            r"    shorten its warm-up, lengthen trainer.epochs, or write weight: 0 to switch it off"
        )
        with pytest.raises(ConfigError, match=message):
            check(self.LATE)
        assert check(("epochs: 2", "epochs: 4"), self.LATE)
        assert check(("weight: 0.5", "weight: 0"))

    def test_a_long_run_is_looked_at_in_reasonable_time(self, check: Check) -> None:
        assert check(("epochs: 2", "epochs: 1000000000"), self.LATE)

    def test_a_run_that_the_command_line_shortens_is_a_trial(
        self, tmp_path: Path, experiment: str, registry: Registry
    ) -> None:
        path = tmp_path / "exp.yaml"
        path.write_text(experiment.replace(*self.LATE))
        assert validate(read(path, ["trainer.epochs=1"]), registry).trainer.epochs == 1

    def test_a_learning_rate_that_stays_zero(self, check: Check) -> None:
        message = "trainer.lr_schedule: is 0 in all 2 epochs, so nothing would be trained"
        with pytest.raises(ConfigError, match=message):
            check(("epochs: 2", "epochs: 2\n  lr_schedule: {name: constant, value: 0}"))

    def test_arguments_that_exclude_each_other(self, check: Check) -> None:
        weight = "weight: {name: cosine, start: 1, end: 0, start_epoch: 4, end_epoch: 2}"
        with pytest.raises(
            ConfigError, match=r"exp.yaml:10:37: losses.inverse.weight: end_epoch is 2, before start_epoch 4"
        ):
            check(("weight: 0.5", weight))


class TestPlain:
    """The resolved experiment."""

    def test_what_is_written_reads_back(self, shipped: Path, registry: Registry) -> None:
        plain = as_plain(validate(read(shipped), registry))
        again = as_plain(validate(parse(dump_yaml(plain), "config.yaml"), registry))
        assert again == plain
        assert list(again) == list(plain)

    def test_every_field_reads_back(self, check: Check, validated: Callable[[Any], Any]) -> None:
        everything = (
            "epochs: 3\n  batch_size: 2\n  accumulate: 2\n  lr_schedule: {name: warmup_cosine, warmup_epochs: 0.5}\n"
            "  clip_norm: null\n  ema: 0.9\n  precision: bf16\n  device: cpu\n  workers: 1\n"
            "  log_every: 3\n  compile: true"
        )
        settings = check(
            ("epochs: 2", everything),
            ("relative_l2: relative_l2}", "a: relative_l2, b: {name: rmse}}\n  monitor: b\n  every: 2\n  rollout: 3\n"
             "  patience: 4\n  batch_size: 5"),
            ("forward: {name: forward}", "forward: {name: forward, weight: {name: linear, start: 1, end: 2}, every: 2, "
             "sampler: {name: cosine, base: {name: importance, metric: error}}}"),
            ("weight: 0.5", "weight: 0.5, sampler: null"),
            ("data:", "seed: 7\noutput: out\nnormalize: none\ndata:"),
        )  # fmt: skip
        plain = as_plain(settings)
        assert as_plain(validated(plain)) == plain
        assert plain["losses"]["inverse"]["sampler"] is None
        assert plain["losses"]["forward"]["sampler"]["base"]["metric"] == "error"
        assert plain["trainer"]["clip_norm"] is None

    def test_a_sampler_left_out_is_not_null(self, check: Check) -> None:
        assert "sampler" not in as_plain(check())["losses"]["forward"]

    def test_defaults_are_filled_in_and_numbers_are_schedules(self, check: Check) -> None:
        settings = check()
        assert as_plain(settings)["model"]["decoder"]["name"] == "perceiver"
        assert as_plain(settings)["losses"]["forward"]["weight"] == 1.0
        weight = settings.losses["inverse"].weight
        assert isinstance(weight, Schedule)
        assert weight(Progress()) == 0.5

    def test_plugins_of_an_experiment(self, check: Check) -> None:
        settings = check(
            ("sampler: {name: uniform, num_queries: 8}", "sampler: {name: ratio, ratio: 0.5, base: uniform}")
        )
        assert [f"{plugin.kind} {plugin.name}" for plugin in plugins_of(settings)] == [
            "dataset burgers1d", "encoder grid", "approximator transformer", "decoder perceiver", "sampler ratio",
            "sampler uniform", "loss forward", "loss inverse_encoding", "optimizer adamw", "metric relative_l2",
        ]  # fmt: skip
