"""Starting from a trained operator: what fits is taken, what does not is named, and the chain is kept."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from upt_core import ConfigError, Experiment, load
from upt_core.cli import main
from upt_core.config.yaml_text import dump_yaml
from upt_core.operator import file

from .conftest import CONFIG, waves, write


def starting(model: dict[str, Any], **changes: Any) -> Experiment:
    """The experiment of the other tests, whose model starts elsewhere."""
    config = copy.deepcopy(CONFIG) | changes
    config["model"] = model
    return Experiment.from_dict(config)


def test_where_nothing_differs_the_new_model_answers_bit_by_bit_as_the_old(run: Path) -> None:
    built = starting({"from": str(run)}).build_all()
    u = waves(3, trajectories=2)[:, 0]
    operator = starting({"from": str(run)}).operators(built)[""]
    np.testing.assert_array_equal(operator.predict(u, steps=2)["u"], load(run).predict(u, steps=2)["u"])


def test_it_starts_from_a_file_too_and_from_the_moving_average(make: Any) -> None:
    make(trainer={**CONFIG["trainer"], "ema": 0.9}).train(Path("averaged"))
    source = load("averaged")
    source.save("one.upt")
    raw = file.read(Path("averaged/checkpoints/best.pt"))["model"]
    differ = [name for name, value in source.model.state_dict().items() if not torch.equal(value, raw[name])]
    assert differ, "the average is not the last state"
    built = starting({"from": "one.upt"}).build_all()
    for name, value in built.bundle.model.state_dict().items():
        torch.testing.assert_close(value, source.model.state_dict()[name], rtol=0, atol=0)


def test_scales_are_kept_or_measured(run: Path) -> None:
    write(Path("train.npz"), waves(1, scale=3.0))
    before = load(run).normalization
    kept = starting({"from": str(run)}).build_all()
    measured = starting({"from": str(run), "normalization": "measure"}).build_all()
    raw = starting({"from": str(run)}, normalize="none").build_all()
    assert torch.equal(kept.parts[""].prepared.normalization.std_C, before.std_C)
    assert measured.parts[""].prepared.normalization.std_C > 2 * before.std_C
    assert raw.parts[""].prepared.normalization.std_C.tolist() == [1.0]


def test_another_field_brings_its_own_scale_and_what_does_not_fit_is_named(run: Path) -> None:
    u = waves(0)
    np.savez("two.npz", u=u, v=100 + 50 * waves(7), t=0.1 * np.arange(6), x=np.arange(32) / 32)
    data = {"name": "npz", "path": "two.npz", "inputs": ["u", "v"], "periodic": True}
    part = starting({"from": str(run)}, data=data).build_all().parts[""]
    before = load(run).normalization
    assert part.prepared.normalization.std_C[0] == before.std_C[0]
    assert part.prepared.normalization.std_C[1] > 10
    assert part.start is not None
    assert part.start.scales == f"scales of u are those of {run}; scales of v are measured on these data"
    assert any(text.endswith(" there") and text.startswith("encoder.") for text in part.start.left)
    assert part.start.loaded["approximator"][0] == part.start.loaded["approximator"][1]
    first = part.start.sentences(most=1)
    assert first[0].startswith(f"weights of {run}: encoder ")
    assert first[1].startswith("not taken: encoder.")
    assert first[2].startswith("and ")
    assert first[2].endswith(" more, listed in start.json of the run")


def test_what_has_no_place_in_a_smaller_model_is_named_too() -> None:
    deep = {**CONFIG["model"], "approximator": {"name": "transformer", "depth": 3}}
    Experiment.from_dict({**copy.deepcopy(CONFIG), "model": deep}).train(Path("deep"))
    start = starting({**CONFIG["model"], "from": "deep"}).build_all().parts[""].start
    assert start is not None
    taken, whole = start.loaded["approximator"]
    assert taken == whole
    extra = [text for text in start.left if text.startswith("approximator.") and text.endswith(" is only there")]
    source = [name for name in load("deep").model.state_dict() if name.startswith("approximator.")]
    assert len(extra) == len(start.left) == len(source) - whole > 0


def test_what_never_changed_there_is_measured_here(run: Path) -> None:
    u, still = waves(0), np.full_like(waves(0), 7.0)
    data = {"name": "npz", "path": "two.npz", "inputs": ["u", "v"], "periodic": True}
    axes = {"t": 0.1 * np.arange(6), "x": np.arange(32) / 32}
    np.savez("two.npz", u=u, v=still, **axes)
    starting(CONFIG["model"], data=data).train(Path("still"))
    np.savez("two.npz", u=u, v=7 + 1e-4 * waves(5), **axes)
    part = starting({"from": "still"}, data=data).build_all().parts[""]
    assert part.prepared.normalization.std_C[1] < 1e-3
    assert part.start is not None
    assert part.start.scales == "scales of u are those of still; scales of v are measured on these data"


def test_another_box_is_said(run: Path) -> None:
    np.savez("long.npz", u=waves(0), t=0.1 * np.arange(6), x=3 * np.arange(32) / 32)
    start = starting({"from": str(run)}, data={**CONFIG["data"], "path": "long.npz"}).build_all().parts[""].start
    assert start is not None
    assert (
        "the box is 3 periodic here, 1 periodic there: the weights use coordinates relative to the box" in start.scales
    )


def test_another_meaning_of_what_the_decoder_says_is_told(run: Path) -> None:
    def told(model: dict[str, Any]) -> str:
        start = starting({"from": str(run), **model}).build_all().parts[""].start
        assert start is not None
        return start.scales

    assert (
        "the decoder was trained to predict the state and now predicts the change; if you did not intend this, write "
        in told({"predict": "change"})
    )
    assert "decoder" not in told({"predict": "change", "parts": ["encoder", "approximator"]})
    assert "decoder" not in told({})


def test_with_past_frames_the_encoder_begins_anew_where_it_must(run: Path) -> None:
    history = {**CONFIG["data"], "history": 2}
    part = starting({"from": str(run)}, data=history).build_all().parts[""]
    assert part.start is not None
    assert any(text.startswith("encoder.") and " there" in text for text in part.start.left)
    assert part.start.loaded["decoder"][0] == part.start.loaded["decoder"][1]


def test_only_the_parts_that_are_named_are_taken(run: Path) -> None:
    model = {**CONFIG["model"], "from": str(run), "parts": ["encoder"], "decoder": {"name": "perceiver", "depth": 2}}
    found = starting(model).build_all().bundle.model.state_dict()
    new = starting({**CONFIG["model"], "decoder": {"name": "perceiver", "depth": 2}}).build_all().bundle.model
    old, fresh = load(run).model.state_dict(), new.state_dict()
    for name, value in found.items():
        expected = old[name] if name.startswith("encoder.") else fresh[name]
        assert torch.equal(value, expected), name


def test_a_run_that_starts_elsewhere_keeps_the_chain_and_goes_on_without_it(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = starting({"from": str(run)})
    experiment.train(Path("second"))
    assert f"weights of {run}: encoder " in capsys.readouterr().err
    shutil.rmtree(run)
    other = starting({**CONFIG["model"], "from": "second"})
    other.train(Path("third"))
    chain = load("third").provenance["parents"]
    assert [link["source"] for link in chain] == [str(run), "second"]
    assert chain[0]["digest"] != chain[1]["digest"]
    assert json.loads(Path("third/start.json").read_text())[""]["chain"] == chain
    shutil.rmtree("second")
    result = CliRunner().invoke(main, ["train", "--resume", "third", "trainer.epochs=3"])
    assert result.exit_code == 0, result.output
    assert load("third").provenance["parents"] == chain
    assert CliRunner().invoke(main, ["evaluate", "third"]).exit_code == 0


def test_a_stage_may_freeze_what_was_taken(run: Path) -> None:
    stages = [{"name": "first", "freeze": ["encoder", "decoder"]}]
    starting({"from": str(run)}, stages=stages).train(Path("frozen"))
    old, new = load(run).model.state_dict(), load("frozen").model.state_dict()
    same = {name: torch.equal(value, new[name]) for name, value in old.items()}
    assert all(same[name] for name in same if not name.startswith("approximator."))
    assert not all(same.values())


def test_tasks_take_those_of_the_same_name() -> None:
    tasks = {name: {"data": CONFIG["data"]} for name in ("one", "two")}
    config = {**copy.deepcopy(CONFIG), "data": None, "tasks": tasks}
    Experiment.from_dict(config).train(Path("both"))
    config["model"] = {**CONFIG["model"], "from": "both"}
    built = Experiment.from_dict(config).build_all()
    for task in tasks:
        old, new = load("both", task=task).model.state_dict(), built.parts[task].bundle.model.state_dict()
        assert all(torch.equal(value, new[name]) for name, value in old.items())
    with pytest.raises(
        ConfigError, match=r"contains the operators of several tasks; choose one with model.from_task: one, t"
    ):
        starting({**CONFIG["model"], "from": "both"}).build_all()
    chosen = starting({"from": "both", "from_task": "two"}).build_all()
    assert torch.equal(
        next(chosen.bundle.model.decoder.parameters()), next(load("both", task="two").model.decoder.parameters())
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"from": "nowhere"},
            r"model\.from: nowhere: there is no such run folder or file\n    name a run folder, or a file that Op",
        ),
        (
            {**CONFIG["model"], "from": "nowhere"},
            r"model\.from: nowhere: there is no such run folder or file\n    name a run",
        ),
        (
            {"from": "train.npz"},
            r"model\.from: train\.npz: cannot be read as a checkpoint \(is it truncated, or another kind of file\?\)",
        ),
        ({"from": "RUN", "from_task": "x"}, r"model\.from: .*contains no task called 'x'; there are: none"),
        ({"from": "RUN", "parts": []}, r"model\.parts: "),
        ({"from": "RUN", "parts": ["latent"]}, r"model\.parts"),
        ({"from": "RUN", "normalization": "new"}, r"model\.normalization"),
        (
            {"from": "RUN", "encoder": {"name": "patches"}, "latent": {"tokens": [4], "dim": 16}},
            r"model\.encoder: the encoder of .* is 'grid', not 'patches'; use that one, or leave this part out of "
            r"parts",
        ),
        (
            {"from": "RUN", "latent": {"tokens": 5, "dim": 24}},
            r"model\.parts: nothing of the encoder of .* fits: encoder\..* here, .* there.*; leave it out of parts",
        ),
    ],
)
def test_what_cannot_be_a_start_is_refused(run: Path, model: dict[str, Any], message: str) -> None:
    model = {key: str(run) if value == "RUN" else value for key, value in model.items()}
    with pytest.raises(ConfigError, match=message):
        starting(model).build_all()


def test_a_source_of_an_older_format_is_refused(run: Path) -> None:
    torch.save({"format": 1, "model": {}}, "old.pt")
    with pytest.raises(ConfigError, match=r"model\.from: old\.pt: written by an older upt \(format 1\)"):
        starting({"from": "old.pt"}).build_all()


def test_a_damaged_source_is_refused(run: Path) -> None:
    path = run / "checkpoints" / "best.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"model\.from: .*best\.pt: the file is damaged"):
        starting({"from": str(run)}).build_all()


def test_check_says_what_fits_and_show_writes_the_whole(run: Path) -> None:
    config = {**copy.deepcopy(CONFIG), "model": {"from": str(run)}}
    Path("second.yaml").write_text(dump_yaml(config))
    checked = CliRunner().invoke(main, ["check", "second.yaml"])
    assert checked.exit_code == 0, checked.output
    assert f"weights of {run}: encoder " in checked.output
    assert f"scales of u are those of {run}" in checked.output
    shown = CliRunner().invoke(main, ["config", "show", "second.yaml"])
    assert "name: transformer" in shown.output
    Path("wrong.yaml").write_text(dump_yaml({**config, "model": {"from": "nowhere"}}))
    wrong = CliRunner().invoke(main, ["check", "wrong.yaml"])
    assert wrong.exit_code == 2
    assert "model.from: nowhere: there is no such run folder or file\n    name a run folder" in wrong.output
