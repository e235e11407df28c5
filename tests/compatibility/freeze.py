"""Keeps the distributions that a release's authors have: python tests/compatibility/freeze.py, once for each release.

Writes releases/VERSION.zip: the wheels of the examples in docs/ and of an untouched package of every kind, as
``upt plugins new`` writes it, with their tests. Later kernels are tried with it, so it is not written again once the
version is published.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import upt_core
from upt_core.registry import KINDS

ROOT = Path(__file__).parents[2]
RELEASES = Path(__file__).parent / "releases"
EXAMPLES = ("upt-example", "upt-gallery")


def main() -> None:
    """The archive of the present version."""
    with tempfile.TemporaryDirectory() as folder:
        sources = sources_in(Path(folder) / "sources")
        content = Path(folder) / "content"
        isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
        build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation]
        subprocess.run([*build, "--wheel-dir", str(content / "wheels"), *map(str, sources)], check=True)
        for source in sources:
            shutil.copytree(source / "tests", content / "tests" / source.name)
        for example in EXAMPLES:
            shutil.copy(ROOT / "docs" / "examples" / example / "example.yaml", content / f"{example}.yaml")
        archive = RELEASES / f"{upt_core.__version__}.zip"
        pack(content, archive)
    print(f"{archive.relative_to(ROOT)}: {len(sources)} distributions, {archive.stat().st_size / 1024:.0f} KiB")


def sources_in(folder: Path) -> list[Path]:
    """The folders of the distributions: copies of the examples, and new packages of every kind."""
    for example in EXAMPLES:
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".pytest_cache")
        shutil.copytree(ROOT / "docs" / "examples" / example, folder / example, ignore=ignore)
    for kind in (*KINDS, "command"):
        new = [sys.executable, "-m", "upt_core", "plugins", "new", kind, f"untouched_{kind}", "--output", str(folder)]
        subprocess.run(new, check=True, stdout=subprocess.DEVNULL)
    return sorted(folder.iterdir())


def pack(content: Path, archive: Path) -> None:
    """All files of a folder, by name, with one time stamp: the same content is the same archive."""
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(path for path in content.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(content).as_posix(), (2020, 1, 1, 0, 0, 0))
            packed.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
