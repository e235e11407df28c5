"""``upt plugins new``: a package of each kind passes its own tests as it is written, and can be trained with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from upt_core.registry import KINDS

Upt = Callable[..., Result]
NAMES: dict[str, str] = {kind: f"my_{kind}" for kind in KINDS} | {"sampler": "halton", "command": "loss-weights"}


def installed(root: Path) -> Path:
    """Leaves beside the package's modules what ``pip install -e .`` leaves: its metadata."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    folder = root / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["upt_core"]
    (folder / "entry_points.txt").write_text("[upt_core]\n" + "".join(f"{n} = {v}\n" for n, v in points.items()))
    return root


@pytest.fixture
def packages(upt: Upt) -> dict[str, Path]:
    """A package of each kind, installed."""
    for kind, name in NAMES.items():
        assert upt("plugins", "new", kind, name, "--output", "made").exit_code == 0
    return {kind: installed(Path("made") / f"upt-{name.replace('_', '-')}") for kind, name in NAMES.items()}


def run(folders: list[Path], *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([*(str(folder.resolve()) for folder in folders), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=600,
        check=False,
    )


def test_packages_of_every_kind_pass_their_tests_and_train(packages: dict[str, Path]) -> None:
    """One process for all of them: importing torch takes longer than their tests. Chance of failure: 1e-6."""
    folders = list(packages.values())
    files = [str(file.resolve()) for folder in folders for file in folder.glob("tests/*.py")]
    shutil.copy(folders[0] / "pyproject.toml", "made/pyproject.toml")  # the settings of pytest
    found = run(folders, "-m", "pytest", "--rootdir=made", "-c", "made/pyproject.toml", "-W", "error", *files)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "24 passed" in found.stdout

    Path("all.yaml").write_text(EXPERIMENT)
    trained = run(folders, "-m", "upt_core", "train", "all.yaml", "--run-dir", "run")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "my_metric" in (Path("run") / "my_callback.jsonl").read_text()

    listed = run(folders, "-m", "upt_core", "loss-weights", "all.yaml")
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert '{"name": "my_schedule"}' in listed.stdout

    examined = run(folders, "-m", "upt_core", "plugins", "doctor", *(NAMES[kind] for kind in ("schedule", "command")))
    assert examined.returncode == 0, examined.stdout + examined.stderr
    assert "ok       command 'loss-weights' of upt-loss-weights 0.1.0" in examined.stdout
    assert "ok       schedule 'my_schedule'" in examined.stdout
    assert "2 examined, 0 wrong" in examined.stdout


@pytest.mark.slow
def test_packages_of_every_kind_pass_the_doctor_as_they_are_written(packages: dict[str, Path]) -> None:
    """Each is imported and examined in a process of its own; nothing was edited."""
    examined = run(list(packages.values()), "-m", "upt_core", "plugins", "doctor", "--third-party")
    assert examined.returncode == 0, examined.stdout + examined.stderr
    for kind, name in NAMES.items():
        assert f"ok       {kind} '{name}' of " in examined.stdout, examined.stdout
    assert f"{len(NAMES)} examined, 0 wrong" in examined.stdout


EXPERIMENT = """\
data: {name: my_dataset, num_trajectories: 8, points: 16}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: my_encoder, width: 16}
  approximator: {name: my_approximator, width: 16}
  decoder: {name: my_decoder, width: 16}
sampler: {name: halton, num_queries: 8}
losses:
  my_loss: {name: my_loss, weight: {name: my_schedule}}
trainer: {epochs: 1, batch_size: 8, optimizer: {name: my_optimizer}, device: cpu}
validation: {metrics: {my_metric: {name: my_metric}}}
callbacks: [my_callback]
"""


def test_before_installing_the_test_says_what_to_do(upt: Upt) -> None:
    assert upt("plugins", "new", "schedule", "fading").exit_code == 0
    found = run([Path("upt-fading")], "-m", "pytest", "--rootdir=upt-fading", "upt-fading/tests")
    assert "1 failed, 1 passed" in found.stdout
    assert "no schedule is called 'fading'" in found.stdout
    assert "cure: install the package (pip install -e .)" in found.stdout


@pytest.mark.parametrize("kind", [*KINDS, "command"])
def test_the_files_are_sound(upt: Upt, kind: str) -> None:
    result = upt("plugins", "new", kind, "of_mine", "--output", "made")
    root = Path("made/upt-of-mine")
    assert "pip install -e '.[test]'" in result.output
    text = (root / "README.md").read_text()
    if kind == "command":
        assert "$ upt of-mine experiment.yaml --sort\n" in text
        assert "upt of-mine --help" in result.output
    else:
        assert yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
        assert f"upt plugins show {kind} of_mine" in result.output
    assert "$kind" not in text
    project = tomllib.loads((root / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["upt_core"] == {"upt_of_mine": "upt_of_mine"}
    workflow = yaml.safe_load((root / ".github/workflows/test.yml").read_text())
    assert workflow["jobs"]["test"]["steps"][1]["with"]["python-version"] == "${{ matrix.python }}"
    for file in root.rglob("*.py"):
        compile(file.read_text(), str(file), "exec")
        assert max(map(len, file.read_text().splitlines())) <= 120, file


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sampler", "uniform"), "a sampler called 'uniform' is already installed by upt-core"),
        (("loss", "3d"), "'3d' cannot name a package; use small letters, digits and '_'"),
        (("loss", "lambda"), "'lambda' cannot name a package"),
        (("encoder", "encoder"), "'encoder' would hide upt_core.Encoder; say what is special about it"),
        (("command", "load"), "'load' would hide upt_core.load; say what is special about it"),
        (("command", "sweep"), "a command called 'sweep' is already installed by upt-core"),
        (("command", "train"), "upt itself has a command 'train', which has precedence; choose another name"),
    ],
)
def test_names_that_cannot_be_used_are_refused(
    refused: Callable[..., str], words: tuple[str, str], message: str
) -> None:
    assert message in refused("plugins", "new", *words)


@pytest.mark.parametrize("asked", ["Blue-Noise", "BlueNoise", "blue noise"])
def test_names_are_repaired(upt: Upt, asked: str) -> None:
    said = upt("plugins", "new", "sampler", asked).output
    assert f"{asked!r} is written as 'blue_noise'" in said
    assert Path("upt-blue-noise/upt_blue_noise/blue_noise.py").is_file()


def test_an_existing_folder_is_left_alone(upt: Upt, refused: Callable[..., str]) -> None:
    upt("plugins", "new", "sampler", "halton")
    assert "upt-halton already exists; choose another name or --output, or remove it" in refused(
        "plugins", "new", "sampler", "halton"
    )
