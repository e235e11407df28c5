"""apebench: APEBench's own trajectories number for number, the layouts of its scenarios, and what it refuses."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upt_core import DataError, Experiment, FieldSpec, Trajectories
from upt_core.errors import UserError
from upt_data import apebench
from upt_data.apebench import PACKAGES, ApeBench
from upt_data.symmetric import Symmetric

TINY = {"num_train_samples": 10, "num_test_samples": 2, "train_temporal_horizon": 3, "test_temporal_horizon": 4}
SMALL = TINY | {"num_points": 16}
needs_it = pytest.mark.skipif(
    any(find_spec(name) is None for name in PACKAGES), reason="APEBench is not installed: the extra apebench"
)


def whole(trajectories: Trajectories, field: str) -> torch.Tensor:
    """(B, T, N, C)."""
    read = [trajectories.read(i, 0, trajectories.num_times(i)) for i in range(len(trajectories))]
    return torch.stack([one.fields[field] for one in read])


def from_apebench(name: str, dims: int, folder: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Its training and test data, (B, T, C, *grid), by its own calls in a process of its own."""
    code = (
        "import sys, numpy as np, apebench\n"
        f"it = apebench.scenarios.scenario_dict[{name!r}](num_spatial_dims={dims}, **{SMALL})\n"
        "np.savez(sys.argv[1], train=it.get_train_data(), test=it.get_test_data())"
    )
    command = [sys.executable, "-c", code, str(folder / "own.npz")]
    subprocess.run(command, check=True, env=os.environ | {"JAX_PLATFORMS": "cpu"}, capture_output=True)
    with np.load(folder / "own.npz") as archive:
        return archive["train"], archive["test"]


@needs_it
def test_the_trajectories_are_those_of_apebench(tmp_path: Path) -> None:
    data = ApeBench("diff_burgers", 2, SMALL)
    train, test = from_apebench("diff_burgers", 2, tmp_path)
    assert train.shape == (10, 4, 2, 16, 16)
    got = [whole(data.trajectories(split), "velocity").numpy() for split in ("train", "valid", "test")]
    assert [len(part) for part in got] == [9, 1, 2]
    as_points = [np.moveaxis(part.reshape(*part.shape[:3], -1), 2, 3) for part in (train, test)]
    ours = {part.tobytes() for part in np.concatenate(got[:2])}
    assert ours == {part.tobytes() for part in as_points[0]}, "every training trajectory is in one of the two splits"
    assert got[2].tobytes() == as_points[1].tobytes()
    first = data.trajectories("test").read(0, 0, 5)
    assert first.time_T.tolist() == [0, 1, 2, 3, 4]
    x_NX = first.coords_NX.reshape(16, 16, 2)
    assert x_NX[3, 5].tolist() == [3 / 16, 5 / 16], "row-major, the first axis is x"
    spec = data.spec()
    assert (spec.extent, spec.periodic, spec.grid_shape) == ((1.0, 1.0), (True, True), (16, 16))
    assert (spec.fields, spec.axes) == ((FieldSpec("velocity", 2),), ("x", "y"))


@needs_it
@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "dims", "options", "fields", "interval", "extent"),
    [
        ("diff_kdv", 1, {}, {"u": 1}, 1.0, 1.0),
        ("diff_burgers", 1, {}, {"u": 1}, 1.0, 1.0),
        ("diff_burgers", 3, {}, {"velocity": 3}, 1.0, 1.0),
        ("phy_gs", 2, {}, {"u": 1, "v": 1}, 10.0, 1.0),
        ("phy_ks", 1, {"num_warmup_steps": 2}, {"u": 1}, 0.1, 60.0),
        ("phy_unbal_adv", 3, {}, {"u": 1}, 0.1, 1.0),
    ],
)
def test_layouts(
    scenario: str, dims: Any, options: dict[str, Any], fields: dict[str, int], interval: float, extent: float
) -> None:
    data = ApeBench(scenario, dims, SMALL | options | {"num_points": 8})
    spec = data.spec()
    assert {field.name: field.channels for field in spec.fields} == fields
    assert (spec.extent, spec.grid_shape, spec.steady) == ((extent,) * dims, (8,) * dims, False)
    read = data.trajectories("train").read(0, 0, 4)
    assert {name: tuple(value.shape) for name, value in read.fields.items()} == {
        name: (4, 8**dims, channels) for name, channels in fields.items()
    }
    assert read.time_T.tolist() == pytest.approx([0, interval, 2 * interval, 3 * interval])


@needs_it
@pytest.mark.slow
def test_poisson_is_steady() -> None:
    data = ApeBench("phy_poisson", 1, {"num_points": 32, "num_train_samples": 4, "num_test_samples": 2})
    assert data.spec().steady
    one = data.trajectories("test").read(0, 0, 1)
    f, u = (one.fields[name][0, :, 0].double() for name in ("f", "u"))
    wave = 2 * torch.pi * torch.fft.rfftfreq(32, 10.0 / 32, dtype=torch.float64)
    laplacian = torch.fft.irfft(-wave.square() * torch.fft.rfft(u), n=32)
    assert torch.allclose(-laplacian, f, atol=1e-4 * float(f.abs().max()))


@needs_it
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dif_kdv",), "scenario: APEBench has no 'dif_kdv'; did you mean 'diff_kdv'?"),
        (("vlasov",), r"scenario: APEBench has no 'vlasov'; there are: diff_adv, diff_adv_diff, "),
        (
            ("diff_kdv", 1, {"num_point": 3}),
            "options: diff_kdv has no 'num_point' that its data depend on; did you mean 'num_points'?",
        ),
        (("diff_kdv", 1, {"batch_size": 3}), "options: diff_kdv has no 'batch_size' that its data depend on; there a"),
        (
            ("diff_kdv", 1, {"num_points": "3"}),
            "options.num_points: got '3'; expected a whole number, such as the default 160",
        ),
        (("diff_kdv", 1, {"num_points": True}), "options.num_points: got True; expected a whole number, such as the "),
        (("diff_kdv", 1, {"num_points": 3}), "options.num_points: got 3; it must be at least 4"),
        (("diff_kdv", 1, {"num_warmup_steps": -1}), "options.num_warmup_steps: got -1; it must be at least 0"),
        (("diff_kdv", 1, {"num_substeps": 0}), "options.num_substeps: got 0; it must be at least 1"),
        (
            ("diff_kdv", 1, {"gammas": [1, "a"]}),
            "options.gammas: got [1, 'a']; expected a list of numbers, such as the default [0.0, 0.0, ",
        ),
        (
            ("diff_kdv", 1, {"gammas": [1.0, 2.0]}),
            "options.gammas: diff_kdv computes it from its other attributes; set one of those instead",
        ),
        (("diff_kdv", 1, {"dispersion_gamma": float("nan")}), "options.dispersion_gamma: got nan; expected a finite"),
        (
            ("diff_kdv", 1, {"num_points": datetime.date(2026, 1, 1)}),
            "options.num_points: got datetime.date(2026, 1, 1); expected a finite number, a text or a list",
        ),
        (("phy_gs", 1), "GrayScott is only supported for 2D and 3D"),
    ],
)
def test_refuses_what_cannot_work(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=r"^" + escaped(message)):
        ApeBench(*arguments)


def escaped(message: str) -> str:
    for sign in "?[](){}":
        message = message.replace(sign, "\\" + sign)
    return message


@needs_it
@pytest.mark.slow
def test_solutions_that_cannot_be_trained_on_are_refused() -> None:
    wild = ApeBench("diff_kdv", 1, SMALL | {"convection_sc_delta": -1e9})
    with pytest.raises(
        ValueError, match=r"the solution of 1d_diff_kdv is not finite from time step \d on; set options.num_substeps"
    ):
        wild.trajectories("train")
    unknown = ApeBench("diff_kdv", 1, SMALL | {"ic_config": "sawtooth;1"})
    with pytest.raises(
        DataError, match=r"^apebench: diff_kdv cannot be solved with these options: KeyError: 'sawtooth'$"
    ):
        unknown.trajectories("train")


@needs_it
@pytest.mark.slow
def test_another_cache_has_the_same_bytes_and_solving_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run that goes on where the cache is gone, or on another machine, must see the same data."""
    found = []
    for name in ("a", "b", "b"):
        monkeypatch.setenv("UPT_CACHE", str(tmp_path / name))
        found.append(whole(ApeBench("diff_ks", 1, SMALL | {"num_warmup_steps": 3}).trajectories("train"), "u"))
    assert len({value.numpy().tobytes() for value in found}) == 1
    assert capfd.readouterr().err == 2 * "apebench: solving diff_ks (train); the cache keeps the solution\n"


@needs_it
@pytest.mark.slow
def test_images_of_a_velocity_turn_its_components(tmp_path: Path) -> None:
    """Around it, ``symmetric`` mirrors the second component with the second axis."""
    base = ApeBench("diff_burgers", 2, SMALL)
    images = Symmetric(base, flips=[1], vectors=["velocity"])
    plain, mirrored = (whole(one.trajectories("train"), "velocity") for one in (base, images))
    assert len(mirrored) == 2 * len(plain)
    field_BTXYC = plain.unflatten(2, (16, 16))
    expected = field_BTXYC.flip(3).roll(1, 3) * torch.tensor([1.0, -1.0])  # the point at 0 stays in its place
    found = {value.numpy().tobytes() for value in mirrored}
    assert {value.flatten(1, 2).numpy().tobytes() for value in expected} <= found


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apebench, "PACKAGES", ("upt-no-such-package",))
    with pytest.raises(DataError) as caught:
        ApeBench("diff_kdv")
    assert str(caught.value) == (
        "the data set apebench needs the package upt-no-such-package; install it with pip install 'upt-core[apebench]'"
    )


@needs_it
def test_jax_stays_out_of_the_process_that_trains() -> None:
    code = (
        "import sys; from upt_data.apebench import ApeBench\n"
        f"data = ApeBench('diff_burgers', 2, {SMALL}); data.trajectories('train')\n"
        "print('jax' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    around = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=around)
    assert done.stdout == "False\n"


@needs_it
def test_a_wrong_option_is_located_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    text = "data: {name: apebench, scenario: diff_kdv, options: {num_points: no}}\n"
    rest = "model: {latent: {tokens: [8], dim: 4}, encoder: patches, approximator: spectral, decoder: basis}\n"
    path.write_text(
        f"{text}{rest}losses: {{forward: forward}}\nvalidation: {{metrics: {{e: rmse}}}}\n"
        "trainer: {epochs: 1, optimizer: adamw}\n"
    )
    with pytest.raises(UserError, match=r"(?s)wrong.yaml:1.*data.*num_points: got 'no'; expected a whole number"):
        Experiment.from_yaml(path).build()
