"""The notebooks of the documentation run in a new kernel, and what is stored in them is what comes out."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NEEDED = ("nbclient", "nbformat", "ipykernel")
FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

pytestmark = pytest.mark.skipif(
    not NOTEBOOKS or any(find_spec(name) is None for name in NEEDED),
    reason="notebooks need a checkout, and nbclient and ipykernel: pip install 'upt-core[notebook]'",
)


def kinds(cell: Any) -> list[tuple[str, list[str]]]:
    """What came out of a cell, without its values: times and the last digits of figures differ between machines."""
    return [(output["output_type"], sorted(output.get("data", {}))) for output in cell.get("outputs", [])]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_its_outputs_are_stored(path: Path, tmp_path: Path) -> None:
    """The cells' own assertions hold; an output that is missing or left over: ``python -m tests.notebook.store``."""
    from .store import executed

    stored = json.loads(path.read_text(encoding="utf-8"))["cells"]
    again = executed(path, tmp_path).cells
    assert [kinds(cell) for cell in stored] == [kinds(cell) for cell in again]
    assert [cell.get("execution_count") for cell in stored] == [cell.get("execution_count") for cell in again]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_small_and_names_no_place_of_the_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 400_000
    assert not any(place in text for place in ("/home/", "/root/", "/tmp/", "\\u001b"))
