"""Checkpoints and operator files that are damaged, or hold other things than ours: loaded whole, or refused by name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from upt_core import CheckpointError, Experiment, load
from upt_core.operator import file

from .damage import cut, damages
from .survival import survives, tried

EXPERIMENT: dict[str, Any] = {
    "data": {"name": "burgers1d", "num_trajectories": 8, "points": 16},
    "model": {
        "latent": {"tokens": 2, "dim": 8},
        "encoder": {"name": "grid", "patch": 8},
        "approximator": {"name": "transformer", "depth": 1, "heads": 2},
        "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
    },
    "sampler": {"name": "uniform", "num_queries": 4},
    "losses": {"forward": "forward"},
    "trainer": {"epochs": 1, "batch_size": 4, "optimizer": {"name": "adamw", "lr": 1e-3}, "device": "cpu"},
    "validation": {"metrics": {"rel_l2": "relative_l2"}},
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``best.pt`` of a run of one epoch."""
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPT_CACHE", str(folder / "cache"))
        Experiment.from_dict(EXPERIMENT).train(run_dir=folder / "run")
    return folder / "run" / "checkpoints" / "best.pt"


def test_damaged_bytes(checkpoint: Path, tmp_path: Path) -> None:
    """Whatever is done to the bytes, the digest tells; only bytes after it, or none at all, change nothing."""
    spoilt, whole = tmp_path / "spoilt.pt", checkpoint.read_bytes()
    assert not survives(lambda: load(checkpoint))

    @tried(100)
    @given(damages())
    @example(cut(1))  # ends in an IndexError of torch's, which no list of exceptions had
    def refuse(damage: Any) -> None:
        content = damage(whole)
        spoilt.write_bytes(content)
        said = survives(lambda: load(spoilt), "spoilt.pt")
        assert said or content == whole, "a damaged file was loaded"

    refuse()


def test_files_with_a_right_digest_and_other_content(checkpoint: Path, tmp_path: Path) -> None:
    """Written by ``torch.save`` and ours in form, but entries are gone, of another kind, or of another shape."""
    spoilt, whole = tmp_path / "spoilt.pt", file.read(checkpoint)
    del whole["format"]
    other = st.sampled_from([None, 0, -1, 1e308, "", "x" * 5000, [], {}, torch.zeros(2, 3), torch.zeros(0), b"\xff"])

    @tried(25)
    @given(st.data())
    def refuse(data: st.DataObject) -> None:
        content: Any = copy.deepcopy(whole)
        holder = content
        while True:
            key = data.draw(st.sampled_from(sorted(holder, key=str)))
            inner = holder[key]
            if not (isinstance(inner, dict) and inner and data.draw(st.booleans())):
                break
            holder = inner
        if data.draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = data.draw(other)
        file.write(content, spoilt)
        survives(lambda: load(spoilt), "spoilt.pt")

    refuse()
    del whole["model"]
    file.write(whole, spoilt)
    with pytest.raises(
        CheckpointError,
        match=r"spoilt.pt: the file is complete, but its content is not an operator "
        r"of upt .*KeyErr",
    ):
        load(spoilt)
