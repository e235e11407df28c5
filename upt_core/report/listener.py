"""Keeps the report up to date while a run goes on."""

from __future__ import annotations

from pathlib import Path

import click

from upt_core import report
from upt_core.registry.hookspecs import hookimpl
from upt_core.run.pace import Pace


class ReportWriter:
    """Writes the report after epochs, not too often, and after a failure. A defect is told once and ends no run."""

    def __init__(self) -> None:
        self._run_dir: Path | None = None
        self._pace = Pace()

    @hookimpl
    def run_started(self, run_dir: Path) -> None:
        """Notes the folder."""
        self._run_dir = run_dir
        self._pace = Pace()

    @hookimpl(trylast=True)
    def epoch_ended(self) -> None:
        """Writes where the last report is long enough ago."""
        if self._pace.due:
            with self._pace.taking():
                self._write()

    @hookimpl(trylast=True)
    def run_failed(self) -> None:
        """Writes what there is."""
        self._write()

    def _write(self) -> None:
        if self._run_dir is None:
            return
        try:
            report.write(self._run_dir)
        except Exception as error:  # hours of training must not end for a picture
            click.echo(f"warning: no report was written: {type(error).__name__}: {error}", err=True)
            self._run_dir = None
