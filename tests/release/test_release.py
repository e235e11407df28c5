"""What a release stands on: one version everywhere, and licences that bind nobody else's code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import upt_core

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / "CITATION.cff").exists(), reason="needs the checkout, not the wheel alone")


def test_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == upt_core.__version__
    assert upt_core.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def licences(tmp_path: Path, *rows: str) -> subprocess.CompletedProcess[str]:
    table = tmp_path / "licences.md"
    table.write_text("\n".join(["| Name | Version | License |", "|---|---|---|", *rows]), encoding="utf-8")
    script = ROOT / ".ci" / "licences.py"
    return subprocess.run([sys.executable, str(script), str(table)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-3.0-only",
        "GNU General Public License v3 (GPLv3)",
        "AGPL-3.0",
        "GNU Affero General Public License",
        "UNKNOWN",
    ],
)
def test_binding_and_missing_licences_are_named(tmp_path: Path, licence: str) -> None:
    done = licences(tmp_path, "| good | 1.0 | MIT |", f"| odd | 1.0 | {licence} |")
    assert done.returncode == 1
    assert f"or are not stated; look before you publish:\n  odd: {licence}" in done.stdout


def test_permissive_licences_and_those_of_libraries_pass(tmp_path: Path) -> None:
    lesser = "GNU Lesser General Public License v3 (LGPLv3)"
    rows = ["| a | 1.0 | MIT |", "| b | 1.0 | MPL-2.0 |", "| c | 1.0 | LGPL-3.0 |", f"| d | 1.0 | {lesser} |"]
    done = licences(tmp_path, *rows)
    assert done.returncode == 0, done.stdout


def test_empty_table_is_no_proof(tmp_path: Path) -> None:
    assert licences(tmp_path).returncode == 1
