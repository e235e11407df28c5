"""What authors wrote for a release works with the present kernel: their wheels are installed, and their tests run."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import upt_core

RELEASES = sorted((Path(__file__).parent / "releases").glob("*.zip"))
SLOW = "TestBlueNoise and test_contract"
"""The one test of the archives that takes a minute: it makes a pattern for every number of query points."""


def python(site: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module", params=RELEASES, ids=lambda archive: archive.stem)
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an archive's content; its wheels are installed in ``site``, and nothing else is."""
    folder = tmp_path_factory.mktemp("release")
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(folder)
    wheels = sorted(map(str, (folder / "wheels").iterdir()))
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    done = python(folder, *pip, "--target", str(folder / "site"), *wheels, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def run_tests(release: Path, which: str) -> None:
    options = ["-q", "--import-mode=importlib", "-W", "error", "-p", "no:cacheprovider", "-k", which]
    done = python(release / "site", "-m", "pytest", *options, "tests", cwd=release)
    assert done.returncode == 0, done.stdout[-5000:]


def test_there_is_an_archive_of_this_version() -> None:
    """Written by ``make freeze-examples`` before a release."""
    assert upt_core.__version__ in [archive.stem for archive in RELEASES]


def test_its_tests_pass(release: Path) -> None:
    """Chance that a right kernel fails: 1e-6 for each sampler."""
    run_tests(release, f"not ({SLOW})")


@pytest.mark.slow
def test_its_long_tests_pass(release: Path) -> None:
    """Chance that a right kernel fails: 1e-6."""
    run_tests(release, SLOW)


def test_its_experiments_train(release: Path, tmp_path: Path) -> None:
    for file in sorted(release.glob("*.yaml")):
        done = python(release / "site", "-m", "upt_core", "train", str(file), "--run-dir", file.stem, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_its_names_are_listed_and_none_is_broken(release: Path, tmp_path: Path) -> None:
    listed = python(release / "site", "-m", "upt_core", "plugins", cwd=tmp_path)
    for name in ("halton", "pinball", "blue_noise", "untouched_loss", "untouched_encoder"):
        assert name in listed.stdout
    assert "cannot be" not in listed.stdout + listed.stderr
