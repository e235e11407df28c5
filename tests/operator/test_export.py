"""An exported operator runs with torch alone, for any number of samples and query points, and answers the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upt_core import Experiment, Operator, UserError, load
from upt_core.cli import main
from upt_core.operator.export import NOTE, export

from .conftest import Make, waves

ALONE = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("upt"):
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
import numpy as np, torch

program = torch.export.load("waves.pt2").module()
asked = np.load("asked.npz")
answer = program(torch.from_numpy(asked["u"]), torch.from_numpy(asked["at"]), None)
np.save("answer.npy", answer.numpy())
assert not [name for name in sys.modules if name.startswith("upt")]
"""

LATTICE: dict[str, Any] = {
    "latent": {"tokens": [8], "dim": 8},
    "encoder": {"name": "patches"},
    "approximator": {"name": "spectral", "width": 8, "hidden": 16, "depth": 1, "modes": 4},
    "decoder": {"name": "basis", "functions": 3},
}


class Untraceable:
    """A decoder whose way depends on a value, which no traced program can follow."""

    def __call__(self, latent_BLD: torch.Tensor, coords_BQX: torch.Tensor) -> torch.Tensor:
        return coords_BQX if latent_BLD.sum() > 0 else -coords_BQX


def trained(make: Make, **model: Any) -> Operator:
    make(**({"model": model} if model else {})).train(Path("run"))
    return load("run")


@pytest.mark.parametrize("model", [{}, LATTICE], ids=["attention", "lattice"])
def test_it_runs_without_upt_and_answers_the_same(make: Make, model: dict[str, Any]) -> None:
    operator = trained(make, **model)
    main(["export", "run", "-o", "waves.pt2", "--steps", "3"], standalone_mode=False)
    u = waves(5, trajectories=4)[:, 0]
    at = np.linspace(0.01, 0.9, 11)[:, None]
    np.savez("asked.npz", u=u[..., None], at=at)
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = operator.predict({"u": u}, at=at, steps=3)["u"]
    np.testing.assert_allclose(np.load("answer.npy")[..., 0], expected, rtol=1e-5, atol=1e-6)


def test_the_archive_says_what_goes_in_and_comes_out(make: Make) -> None:
    path = trained(make).export("waves.pt2")
    files = {NOTE: ""}
    torch.export.load(path, extra_files=files)
    said = json.loads(files[NOTE])
    assert said["input"] == said["output"] == [["u", 1]]
    assert (said["grid"], said["steps"], said["conditions"]) == ([32], 1, [])


def test_what_cannot_be_exported_is_refused(make: Make, tmp_path: Path) -> None:
    operator = trained(make)
    with pytest.raises(UserError, match=r"waves.bin: torch names such files .pt2; choose a name that ends so"):
        export(operator, "waves.bin")
    with pytest.raises(UserError, match="steps is 0; expected at least 1"):
        export(operator, "waves.pt2", steps=0)
    operator.model.decoder.forward = Untraceable()  # type: ignore[method-assign]
    with pytest.raises(
        UserError, match=r"torch cannot export this model \(GridEncoder, Transformer, PerceiverDecoder\)"
    ):
        export(operator, "waves.pt2")
    del operator.model.decoder.forward
    with pytest.raises(UserError, match=r"nowhere/waves.pt2: cannot be written: "):
        export(operator, tmp_path / "nowhere" / "waves.pt2")


def test_scattered_points_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    u, pos = rng.normal(size=(160, 3)), rng.uniform(size=(160, 2))
    np.savez("cloud.npz", u=u, t=np.arange(3.0), pos=pos, ptr=np.arange(0, 161, 20))
    config = {
        "data": {"name": "points", "path": "cloud.npz", "inputs": ["u"], "positions": "pos"},
        "model": {
            "latent": {"tokens": 4, "dim": 8},
            "encoder": {"name": "supernode", "supernodes": 4, "depth": 0, "heads": 2},
            "approximator": {"name": "transformer", "depth": 1, "heads": 2},
            "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
        },
        "losses": {"forward": {"name": "forward"}},
        "trainer": {"epochs": 1, "batch_size": 4, "device": "cpu", "optimizer": {"name": "adamw"}},
        "validation": {"metrics": {"rmse": {"name": "rmse"}}},
    }
    Experiment.from_dict(config, "cloud").train(Path("cloud"))
    with pytest.raises(UserError, match="an operator of scattered points cannot be exported"):
        load("cloud").export("cloud.pt2")
