"""docs/examples/upt-example: built as a wheel, installed, found, trained with by name, and gone when it is removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "upt-example"


def python(path: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=300,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which the wheel of the example is installed, and nothing else."""
    source, wheels, target = tmp_path / "source", tmp_path / "wheels", tmp_path / "site"
    shutil.copytree(EXAMPLE, source)
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    for command in (
        [*pip, "wheel", "--no-deps", *isolation, "--wheel-dir", str(wheels), str(source)],
        [
            *pip,
            "install",
            "--no-deps",
            "--no-index",
            "--find-links",
            str(wheels),
            "--target",
            str(target),
            "upt-example",
        ],
    ):
        done = python(tmp_path, *command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_installed_used_and_removed(site: Path, tmp_path: Path) -> None:
    """Chance that a right sampler fails its kit: 1e-6."""
    shutil.copy(EXAMPLE / "example.yaml", tmp_path)
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")

    listed = python(site, "-m", "upt_core", "plugins", "--kind", "sampler", cwd=tmp_path)
    assert "halton" in listed.stdout
    assert "upt-example" in listed.stdout

    tested = python(site, "-m", "pytest", "-q", "--import-mode=importlib", "-W", "error", "tests", cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout

    trained = python(site, "-m", "upt_core", "train", "example.yaml", "--run-dir", "run", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    plugins = json.loads((tmp_path / "run" / "environment.json").read_text())["plugins"]
    assert plugins["sampler halton"] == {"distribution": "upt-example", "version": "0.1.0"}
    assert plugins["loss pinball"] == {"distribution": "upt-example", "version": "0.1.0"}

    shutil.rmtree(site)
    gone = python(site, "-m", "upt_core", "check", "example.yaml", cwd=tmp_path)
    assert gone.returncode == 2
    assert "no sampler is called 'halton'" in gone.stderr
    assert "no loss is called 'pinball'" in gone.stderr
