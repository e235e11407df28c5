"""The page of a run."""

from __future__ import annotations

from pathlib import Path

from upt_core.report.load import RunData


def write_page(run: RunData) -> Path:
    """Writes pictures and page; the page's path."""
    path = run.folder / "index.html"
    path.write_text("<!doctype html>", encoding="utf-8")
    return path
