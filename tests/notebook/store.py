"""Executes the notebooks of the documentation and stores what came out: ``python -m tests.notebook.store``.

They are kept with their outputs, so that a reader of the repository and of the site sees pictures, and the site is
built without training. A test executes them again and compares code and kinds of outputs with what is stored.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"


def executed(path: Path, folder: Path) -> Any:
    """The notebook as it comes out of a new kernel that works in ``folder``; an error of a cell is raised.

    What differs from one execution to the next and says nothing (times, numbers of cells, versions) is left out.
    """
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        for output in cell.get("outputs", []):
            output.pop("transient", None)
            _without_folder(output, folder)
    return notebook


def _without_folder(output: Any, folder: Path) -> None:
    """Takes this machine's folders out of an output's texts."""
    for texts, key in [(output, "text"), *((output.get("data", {}), key) for key in output.get("data", {}))]:
        if isinstance(texts.get(key), str):
            texts[key] = re.sub(re.escape(str(folder)) + r"/?", "", texts[key])


def main() -> None:
    """Every notebook, in its place."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(executed(path, Path(folder)), path)
        print(path)


if __name__ == "__main__":
    main()
