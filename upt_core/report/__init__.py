"""The report of a run: pictures and one page, from the files in its folder. Needs neither torch nor the data."""

from __future__ import annotations

from pathlib import Path


def write(run_dir: Path) -> Path:
    """Writes ``index.html`` and ``plots/`` into a run folder, from what is there; the page's path.

    Raises:
        UserError: the folder is not a run, or one of its files is damaged.
    """
    from upt_core.report.load import load
    from upt_core.report.page import write_page

    return write_page(load(run_dir))
