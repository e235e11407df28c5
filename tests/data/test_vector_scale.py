"""normalize: field has one deviation for all components of a vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from upt_core.data.prepared import PreparedData
from upt_data.bundled import Bundled
from upt_data.npz import Npz


@pytest.fixture
def data(tmp_path: Path) -> Npz:
    rng = np.random.default_rng(0)
    velocity = rng.standard_normal((8, 6, 12, 3)) * [3.0, 1.0, 0.0] + [10.0, 0.0, 2.0]
    np.savez(tmp_path / "a.npz", v=velocity, p=rng.random((8, 6, 12)), x=np.arange(12) / 12, t=np.arange(6.0))
    return Npz(path=tmp_path / "a.npz", inputs=["v", "p"])


def test_components_keep_their_proportions(data: Npz) -> None:
    single = PreparedData(data).normalization
    scale = PreparedData(data, normalize="field").normalization
    assert torch.equal(scale.mean_C, single.mean_C)
    together = single.std_C[:2].square().mean().sqrt()
    assert scale.std_C.tolist() == pytest.approx([float(together), float(together), 1.0, float(single.std_C[3])])
    value_BNC = torch.randn(2, 5, 4, dtype=torch.float64)
    moved = scale.to_physical(value_BNC) - scale.to_physical(torch.zeros_like(value_BNC))
    assert torch.allclose(moved[..., 0] / moved[..., 1], value_BNC[..., 0] / value_BNC[..., 1])


def test_all_steps_of_a_call_have_that_scale(data: Npz) -> None:
    single = PreparedData(data, normalize="field").normalization.std_C
    bundled = PreparedData(Bundled(data, steps=2), normalize="field").normalization.std_C
    assert bundled.tolist() == pytest.approx([*single[:3].repeat(2).tolist(), *single[3:].repeat(2).tolist()], rel=0.02)


def test_a_constant_field_is_only_shifted(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", u=np.ones((8, 6, 12, 2)), x=np.arange(12) / 12, t=np.arange(6.0))
    assert PreparedData(Npz(path=tmp_path / "a.npz"), normalize="field").normalization.std_C.tolist() == [1.0, 1.0]
