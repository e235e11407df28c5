"""``upt check``: what it prints of an experiment, without training."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from .conftest import Upt


def test_summary(upt: Upt) -> None:
    result = upt("check", "tiny.yaml", "losses.inverse_encoding.weight={name: linear, start: 0.5, end: 0.1}")
    assert result.exit_code == 0, result.output
    text = result.output
    assert text.startswith("tiny.yaml: ready to train\n")
    assert "u → u" in text
    assert "32 (32 points), extent 1 periodic" in text
    assert "train    10 trajectories, 200 samples" in text
    assert re.search(r"Model: 1\d,\d\d\d parameters\n", text)
    assert "latent state: 4 tokens of width 16" in text
    assert "2 epochs of 4 batches of 64" in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith("  ")}
    assert rows["forward"][1:] == ["forward", "1", "each", "uniform", "16", "encoder,", "approximator,", "decoder"]
    assert rows["inverse_encoding"][2:5] == ["0.5", "→", "0.1"]
    assert rows["latent_norm"][2:] == ["0", "(off)"]
    assert not Path("runs").exists()


def test_it_says_which_share_of_the_points_is_heard(upt: Upt) -> None:
    supernode = "model.encoder={name: supernode, supernodes: 4, depth: 0, max_neighbours: 2}"
    text = upt("check", "tiny.yaml", supernode).output
    every = "4 supernodes use 100 % of the points: 15 to 17 each, 16 on average"
    assert f"encoder: {every}; in a training step at most 2, drawn at random\n" in text
    near = supernode.replace("max_neighbours: 2", "max_neighbours: null, radius: 0.04")
    some = "4 supernodes use 37.5 % of the points: 3 to 3 each, 3 on average"
    assert f"encoder: {some}; in a training step all of them\n" in upt("check", "tiny.yaml", near).output


def test_it_says_what_means_are_over(upt: Upt) -> None:
    rng = np.random.default_rng(0)
    np.savez("stretched.npz", u=rng.random((12, 4, 9)), x=np.arange(9.0) ** 2, t=np.arange(4.0))
    data = "data={name: npz, path: stretched.npz}"
    supernode = "model.encoder={name: supernode, supernodes: 4, depth: 0}"
    settings = [data, supernode, "trainer.batch_size=2"]
    assert "  means    over space, by the cells around points\n" in upt("check", "tiny.yaml", *settings).output
    assert "  means    over points\n" in upt("check", "tiny.yaml", *settings, "mean=points").output
    assert "means" not in upt("check", "tiny.yaml").output


def test_json(upt: Upt) -> None:
    found = json.loads(upt("check", "tiny.yaml", "--json").output)
    assert found["data"]["splits"]["train"] == {"trajectories": 10, "samples": 200}
    assert found["model"]["parameters"] == sum(part["parameters"] for part in found["model"]["parts"].values())
    (stage,) = found["stages"]
    assert stage["losses"][1]["trains"] == ["encoder", "decoder"]
    assert stage["losses"][1]["queries"] == [16, 16]
    assert stage["training"]["steps_per_epoch"] == 4


def remarks(upt: Upt, *overrides: str) -> list[str]:
    (stage,) = json.loads(upt("check", "tiny.yaml", "--json", *overrides).output)["stages"]
    found: list[str] = stage["remarks"]
    return found


def test_it_advises_tokens_that_keep_their_place_on_a_grid(upt: Upt) -> None:
    assert "Remarks\n  - latent.tokens is 4, so tokens have no place in space; on regular grids, tokens with a" in (
        upt("check", "tiny.yaml").output
    )
    parts = ["encoder={name: patches}", "approximator={name: spectral, width: 8, depth: 1}", "decoder={name: basis}"]
    in_place = ["model.latent.tokens=[8]", *(f"model.{part}" for part in parts)]
    assert remarks(upt, *in_place) == []
    assert "Remarks" not in upt("check", "tiny.yaml", *in_place).output


def test_it_warns_of_places_that_an_encoder_does_not_keep(upt: Upt) -> None:
    parts = ["approximator={name: spectral, width: 8, depth: 1}", "decoder={name: basis}"]
    (found,) = remarks(upt, "model.latent.tokens=[8]", *(f"model.{part}" for part in parts))
    assert (
        "latent.tokens is the list [8], so each token should have a place in space, but the encoder grid pools all "
        "tokens"
    ) in found
    assert found.endswith("use the encoder patches or lattice, or write latent.tokens as a number, 8")


def test_it_says_what_the_approximator_remarks_on(upt: Upt) -> None:
    parts = ["model.latent.tokens=[8]", "model.encoder={name: patches}", "model.decoder={name: basis}"]
    windowed = "model.approximator={{name: transformer, depth: 2, attention: windowed, window: {}}}"
    (found,) = remarks(upt, *parts, windowed.format(16))
    assert found.startswith("approximator transformer: windows of 16 tokens on a lattice of 8: one window holds all")
    assert found.endswith("so attention is full; use a smaller window, or attention: full")
    assert remarks(upt, *parts, windowed.format(4)) == []


def test_it_warns_of_latent_rollouts_that_nothing_trains(upt: Upt) -> None:
    rollout = ["validation.rollout=3", "validation.space=latent"]
    (found,) = [text for text in remarks(upt, *rollout) if "rolls out 3 time steps" in text]
    assert "every loss term predicts one step and compares decoded fields, so latents drift" in found
    cures = ("losses.near={name: forward, space: latent}", "losses.far={name: rollout, steps: 2}")
    for cure in (*cures, "validation.space=physical", "validation.rollout=1"):
        assert not [text for text in remarks(upt, *rollout, cure) if "rolls out" in text], cure


STAGES = """
stages:
- name: autoencoder
  losses: {forward: null}
- name: dynamics
  freeze: [encoder, decoder]
  losses: {inverse_encoding: null}
  trainer: {epochs: 3}
"""


STAGE = "\nstages:\n- {name: one, losses: {%s: null}}\n"


def test_terms_and_metrics_are_taken_away_by_null(upt: Upt) -> None:
    Path("less.yaml").write_text("extends: tiny.yaml\nlosses: {inverse_encoding: null}\n")
    assert "inverse_encoding" not in upt("check", "less.yaml").output.partition("Losses")[2].partition("\n\n")[0]
    for arguments in (["less.yaml", "losses.inverse_encodin=null"], ["tiny.yaml", "losses.inverse_encodin=null"]):
        result = upt("check", *arguments)
        assert "losses.inverse_encodin: null removes an entry, but there is no entry with this name" in result.output
    assert "did you mean 'inverse_encoding'? there are: " in result.output
    assert "\n    there are: relative_l2" in upt("check", "tiny.yaml", "validation.metrics.x=null").output


def test_a_stage_takes_away_only_what_there_is(upt: Upt) -> None:
    text = Path("tiny.yaml").read_text()
    Path("tiny.yaml").write_text(text + STAGE % "inverse_encodin")
    output = upt("check", "tiny.yaml").output
    assert "stages.0.losses.inverse_encodin: null removes an entry, but there is no entry with this name" in output
    assert "did you mean 'inverse_encoding'?" in output
    Path("tiny.yaml").write_text(text + STAGE % "inverse_encoding")
    upt("check", "tiny.yaml")


def test_stages(upt: Upt) -> None:
    Path("tiny.yaml").write_text(Path("tiny.yaml").read_text() + STAGES)
    text = upt("check", "tiny.yaml").output
    assert "Losses of stage autoencoder\n" in text
    assert "Losses of stage dynamics (frozen: encoder, decoder)\n" in text
    assert "3 epochs of 4 batches of 64" in text.partition("Training of stage dynamics")[2]
