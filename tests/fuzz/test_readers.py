"""Files of data, damaged or of other arrays than a reader expects: read, or refused with the file's name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from upt_core import Dataset

from .damage import damages
from .samples import SAMPLES, Arrays, Sample
from .survival import survives, tried

pytestmark = pytest.mark.filterwarnings("ignore")  # libraries warn of what they meet in damaged files


def read_everything(data: Dataset) -> None:
    spec = data.spec()
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        for index in range(len(trajectories)):
            whole = trajectories.read(index, 0, trajectories.num_times(index))
            assert set(whole.fields) == {field.name for field in spec.fields}
    data.remarks()
    data.files()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_damaged_files(sample: Sample, tmp_path: Path) -> None:
    whole, spoilt = tmp_path / "whole", tmp_path / "spoilt"
    whole.mkdir()
    sample.write(whole, sample.arrays)
    assert not survives(lambda: read_everything(sample.open(whole)))
    names = sorted(str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file())

    @tried(15)
    @given(st.sampled_from(names), damages())
    def refuse(name: str, damage: Any) -> None:
        shutil.rmtree(spoilt, ignore_errors=True)
        shutil.copytree(whole, spoilt)
        (spoilt / name).write_bytes(damage((spoilt / name).read_bytes()))
        survives(lambda: read_everything(sample.open(spoilt)), str(spoilt), next(spoilt.iterdir()).name, "a.", "f_")

    refuse()


TYPES = ["float64", "float16", "int8", "uint64", "bool", "complex64", "S3", "U3", "datetime64[s]", "timedelta64[ns]"]


def others() -> st.SearchStrategy[Any]:
    """Another array than the reader expects."""
    shapes = npst.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5)
    return st.builds(lambda kind, shape: np.zeros(shape, kind), st.sampled_from(TYPES), shapes)


def changes(arrays: Arrays) -> st.SearchStrategy[Arrays]:
    """The arrays of a sample, some of them changed or left out."""
    ways: dict[str, Any] = {
        "left out": lambda value: None,
        "transposed": lambda value: np.ascontiguousarray(value.T),
        "shorter": lambda value: value[:-1],
        "empty": lambda value: value[:0],
        "one": lambda value: value[:1],
        "scalar": lambda value: value.reshape(-1)[0],
        "wider": lambda value: value[..., None],
        "flat": lambda value: value.reshape(-1),
        "not finite": lambda value: np.full(value.shape, np.nan),
        "huge": lambda value: np.full(value.shape, 1e300),
        "twice": lambda value: np.concatenate([value, value]),
        "reversed": lambda value: np.ascontiguousarray(value[::-1]),
        "constant": lambda value: np.zeros_like(value),
    }
    one = st.one_of(
        st.sampled_from(sorted(ways)).map(lambda way: ways[way]),
        st.sampled_from(TYPES).map(
            lambda kind: lambda value: np.abs(value.astype(np.float64)).astype("i4").astype(kind)
        ),
        others().map(lambda array: lambda value: array),
    )
    chosen = st.dictionaries(st.sampled_from(sorted(arrays)), one, min_size=1, max_size=2)

    def apply(chosen: dict[str, Any]) -> Arrays:
        changed = {name: np.atleast_1d(value) for name, value in arrays.items()}
        changed |= {name: change(changed[name]) for name, change in chosen.items()}
        return {name: np.asarray(value) for name, value in changed.items() if value is not None}

    return chosen.map(apply)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_other_arrays_than_expected(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "spoilt"

    @tried(15)
    @given(changes(sample.arrays))
    def refuse(arrays: Arrays) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            sample.write(folder, arrays)
        except (TypeError, ValueError, KeyError, OverflowError):
            return  # the format has no such array
        survives(lambda: read_everything(sample.open(folder)), str(folder), "a.", "f_")

    refuse()
