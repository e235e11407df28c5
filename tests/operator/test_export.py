"""An exported operator runs with torch alone, for any number of samples and query points, and answers the same."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
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
answer = program(*(torch.from_numpy(asked[name]) for name in asked.files))
np.save("answer.npy", answer.numpy())
assert not [name for name in sys.modules if name.startswith("upt")]
"""

LATTICE: dict[str, Any] = {
    "latent": {"tokens": [8], "dim": 8},
    "encoder": {"name": "patches"},
    "approximator": {"name": "spectral", "width": 8, "hidden": 16, "depth": 1, "modes": 4},
    "decoder": {"name": "basis", "functions": 3},
}


def with_attention(attention: str, **settings: Any) -> dict[str, Any]:
    approximator = {"name": "transformer", "width": 16, "depth": 2, "attention": attention, **settings}
    return LATTICE | {"approximator": approximator}


def with_decoder(name: str, **settings: Any) -> dict[str, Any]:
    return LATTICE | {"decoder": {"name": name, "width": 8, "heads": 2, "depth": 1, **settings}}


class Untraceable:
    """A decoder whose way depends on a value, which no traced program can follow."""

    def __call__(self, latent_BLD: torch.Tensor, coords_BQX: torch.Tensor) -> torch.Tensor:
        return coords_BQX if latent_BLD.sum() > 0 else -coords_BQX


def trained(make: Make, **model: Any) -> Operator:
    make(**({"model": model} if model else {})).train(Path("run"))
    return load("run")


def run_alone() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "model",
    [
        *({}, LATTICE, with_attention("windowed", window=3), with_attention("linear")),
        *(with_decoder("near"), with_decoder("anchored", anchors=6)),
    ],
    ids=["attention", "lattice", "windowed", "linear", "near", "anchored"],
)
def test_it_runs_without_upt_and_answers_the_same(make: Make, model: dict[str, Any]) -> None:
    operator = trained(make, **model)
    main(["export", "run", "-o", "waves.pt2", "--steps", "3"], standalone_mode=False)
    u = waves(5, trajectories=4)[:, 0]
    at = np.linspace(0.01, 0.9, 11)[:, None]
    np.savez("asked.npz", u[..., None], at)
    run_alone()
    expected = operator.predict({"u": u}, at=at, steps=3)["u"]
    np.testing.assert_allclose(np.load("answer.npy")[..., 0], expected, rtol=1e-5, atol=1e-6)


def test_the_archive_says_what_goes_in_and_comes_out(make: Make) -> None:
    path = trained(make).export("waves.pt2")
    files = {NOTE: ""}
    torch.export.load(path, extra_files=files)
    said = json.loads(files[NOTE])
    assert said["input"] == said["output"] == [["u", 1]]
    assert (said["grid"], said["steps"], said["conditions"]) == ([32], 1, [])
    with zipfile.ZipFile(path) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    assert max(size for name, size in sizes.items() if "sample_inputs" in name) < 10_000, "arguments of the trace"


def test_what_cannot_be_exported_is_refused(make: Make, tmp_path: Path) -> None:
    operator = trained(make)
    with pytest.raises(
        UserError, match=r"waves.bin: torch names such files .pt2; choose a name that ends in .pt2, or in .onnx"
    ):
        export(operator, "waves.bin")
    with pytest.raises(UserError, match=r"waves.onnx: torch names such files .pt2; choose a name that ends in .pt2$"):
        export(operator, "waves.onnx", aot=True)
    with pytest.raises(UserError, match=r"points are given, but GridEncoder works only on its training grid"):
        export(operator, "waves.pt2", coords=np.zeros((5, 1)))
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


def test_wrong_inputs_are_refused_in_plain_words(make: Make) -> None:
    program = torch.export.load(trained(make).export("waves.pt2")).module()
    u, x = torch.zeros(2, 32, 1), torch.rand(3, 1)
    for arguments, message in [
        ((u[:, :31], x), "input_BNC must have 32 points on its axis 1"),
        ((u.expand(-1, -1, 2), x), "input_BNC must have 1 channels on its axis 2: u"),
        ((u, torch.rand(3, 2)), "query_QX must have 1 coordinates on its axis 1"),
        ((u, torch.tensor([[torch.nan]])), "query_QX has coordinates that are NaN or infinite"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            program(*arguments)


def test_any_real_type_is_taken_and_nan_stays_in_its_sample(make: Make) -> None:
    program = torch.export.load(trained(make).export("waves.pt2")).module()
    u, x = torch.from_numpy(waves(5, trajectories=3)[:, 0, :, None]), torch.rand(3, 1)
    expected = program(u, x)
    torch.testing.assert_close(program(u.float(), x.double()), expected, rtol=1e-4, atol=1e-4)
    broken = u.clone()
    broken[1, 4] = torch.nan
    answer = program(broken, x)
    assert answer[1].isnan().all()
    torch.testing.assert_close(answer[[0, 2]], expected[[0, 2]], rtol=1e-5, atol=1e-6)


POINTS: dict[str, dict[str, Any]] = {
    "supernode": {"encoder": {"name": "supernode", "supernodes": 4, "depth": 1, "heads": 2}},
    "radius": {"encoder": {"name": "supernode", "supernodes": 4, "depth": 0, "heads": 2, "radius": 0.2}},
    "lattice": {
        "latent": {"tokens": [2, 2], "dim": 8},
        "encoder": {"name": "lattice"},
        "approximator": {"name": "convolution", "depth": 1, "width": 8},
        "decoder": {"name": "basis", "functions": 3},
    },
}


def cloud(model: dict[str, Any]) -> Operator:
    """An operator of scattered points, trained on clouds of different sizes, which are padded in a batch."""
    rng, lengths = np.random.default_rng(0), [20, 24, 18, 22, 26, 20, 17, 23]
    total = sum(lengths)
    u, pos, ptr = rng.normal(size=(total, 3)), rng.uniform(size=(total, 2)), np.cumsum([0, *lengths])
    np.savez("cloud.npz", u=u, t=np.arange(3.0), pos=pos, ptr=ptr)
    config = {
        "data": {"name": "points", "path": "cloud.npz", "inputs": ["u"], "positions": "pos"},
        "model": {
            "latent": {"tokens": 4, "dim": 8},
            "approximator": {"name": "transformer", "depth": 1, "heads": 2},
            "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
            **model,
        },
        "losses": {"forward": {"name": "forward"}},
        "trainer": {"epochs": 1, "batch_size": 4, "device": "cpu", "optimizer": {"name": "adamw"}},
        "validation": {"metrics": {"rmse": {"name": "rmse"}}},
    }
    Experiment.from_dict(config, "cloud").train(Path("cloud"))
    return load("cloud")


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, marks=[pytest.mark.slow] if name != "supernode" else [], id=name)
        for name, model in POINTS.items()
    ],
)
def test_scattered_points_are_told_to_the_program_or_fixed_in_it(model: dict[str, Any]) -> None:
    operator, rng = cloud(model), np.random.default_rng(1)
    at = rng.uniform(size=(9, 2))
    main(["export", "cloud", "-o", "waves.pt2", "--steps", "2"], standalone_mode=False)
    told = torch.export.load("waves.pt2").module()
    for samples, points in [(3, 27), (1, 60)]:  # more than training saw, and than the example of the trace
        u, pos = rng.normal(size=(samples, points)), rng.uniform(size=(points, 2))
        expected = operator.predict({"u": u}, coords=pos, at=at, steps=2)["u"]
        answer = told(*map(torch.from_numpy, (u[..., None], pos, at)))
        np.testing.assert_allclose(answer[..., 0], expected, rtol=1e-5, atol=2e-6)
    np.save("fixed.npy", pos)
    main(["export", "cloud", "-o", "waves.pt2", "--steps", "2", "--points", "fixed.npy"], standalone_mode=False)
    np.savez("asked.npz", u[..., None], at)
    run_alone()
    np.testing.assert_allclose(np.load("answer.npy")[..., 0], expected, rtol=1e-5, atol=2e-6)


def test_points_that_do_not_fit_are_refused() -> None:
    operator = cloud(POINTS["supernode"])
    program = torch.export.load(operator.export("any.pt2")).module()
    u, pos, at = torch.zeros(2, 20, 1), torch.rand(20, 2), torch.rand(3, 2)
    with pytest.raises(RuntimeError, match="input_BNC must have as many as coords_NX has points on its axis 1"):
        program(u[:, :19], pos, at)
    with pytest.raises(RuntimeError, match="coords_NX must have 2 coordinates on its axis 1"):
        program(u, pos[:, :1], at)
    with pytest.raises(AssertionError, match=r"coords_NX.size\(\)\[0\] >= 4"):  # as many as there are supernodes
        program(u[:, :3], pos[:3], at)
    files = {NOTE: ""}
    torch.export.load("any.pt2", extra_files=files)
    assert json.loads(files[NOTE])["points"] == {"least": 4}
    with pytest.raises(UserError, match=r"coords has the shape \(5, 3\); expected \(points, 2\)"):
        operator.export("any.pt2", coords=np.zeros((5, 3)))
    operator.model.encoder.forward = lambda value, points: torch.zeros(len(value), 4, 8)  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"torch cannot export this model .*; fix the points of the input \(--points"):
        operator.export("any.pt2")


def test_without_a_compiler_nothing_is_compiled(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = trained(make)
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("PATH", "")
    refused = pytest.raises(UserError, match=r"--aot compiles C\+\+, and there is no compiler: install g\+\+ or clang")
    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}), refused:
        operator.export("waves.pt2", aot=True)


@pytest.mark.slow
def test_a_compiled_program_answers_the_same(make: Make) -> None:
    operator = trained(make)
    main(["export", "run", "-o", "waves.pt2", "--aot", "--steps", "2"], standalone_mode=False)
    program = torch._inductor.aoti_load_package("waves.pt2")
    u, at = waves(5, trajectories=4)[:, 0], np.linspace(0.01, 0.9, 11)[:, None]
    answer = program(torch.from_numpy(u[..., None]).float(), torch.from_numpy(at).float())
    np.testing.assert_allclose(answer[..., 0], operator.predict(u, at=at, steps=2)["u"], rtol=1e-4, atol=1e-5)
    note = json.loads(program.get_metadata()["upt"])
    assert (note["steps"], note["types"]) == (2, "float32")
    with pytest.raises(RuntimeError, match="input_BNC must have 32 points"):
        program(torch.zeros(4, 31, 1), torch.from_numpy(at).float())


@pytest.mark.slow
@pytest.mark.parametrize("model", [POINTS["supernode"], POINTS["lattice"]], ids=["supernode", "lattice"])
def test_a_program_of_onnx_answers_the_same(model: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    onnxruntime: Any = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    operator, rng = cloud(model), np.random.default_rng(2)
    pos, at, u = rng.uniform(size=(30, 2)), rng.uniform(size=(9, 2)), rng.normal(size=(3, 30))
    operator.export("cloud.onnx", steps=2, coords=pos)
    assert "torchvision" not in capfd.readouterr().err, "libraries that torch could also translate"
    session = onnxruntime.InferenceSession("cloud.onnx", providers=["CPUExecutionProvider"])
    given = {"input_BNC": u[..., None].astype(np.float32), "query_QX": at.astype(np.float32)}
    (answer,) = session.run(None, given)
    expected = operator.predict({"u": u}, coords=pos, at=at, steps=2)["u"]
    np.testing.assert_allclose(answer[..., 0], expected, rtol=1e-4, atol=1e-5)
    note = json.loads(session.get_modelmeta().custom_metadata_map["upt"])
    assert (note["points"], note["steps"]) == (30, 2)


def test_without_the_extra_onnx_it_is_said(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = trained(make)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"to write .onnx needs onnx\w*: pip install 'upt-core\[onnx\]'"):
        operator.export("waves.onnx")
