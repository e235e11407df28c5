"""The report while a run goes on: when it is written, and that a defect of it ends no run."""

from __future__ import annotations

from pathlib import Path

import pytest

from upt_core.report.listener import ReportWriter
from upt_core.run import pace

from .conftest import RunMaker


def test_it_waits_between_reports_and_writes_after_a_failure(make_run: RunMaker) -> None:
    folder = make_run(finished=False, done=1)
    writer = ReportWriter()
    writer.run_started(run_dir=folder)
    writer.epoch_ended()
    assert not (folder / "index.html").exists(), "the first epoch ended at once"
    writer.run_failed()
    assert (folder / "index.html").exists()


def test_it_writes_when_the_pause_is_over(make_run: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(finished=False, done=1)
    monkeypatch.setattr(pace, "PAUSE", 0.0)
    writer = ReportWriter()
    writer.run_started(run_dir=folder)
    writer.epoch_ended()
    assert (folder / "index.html").exists()
    (folder / "index.html").unlink()
    writer.epoch_ended()
    assert not (folder / "index.html").exists(), "reports take a small share of the time only"


def test_a_defect_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = ReportWriter()
    writer.run_started(run_dir=tmp_path)  # no config.yaml: nothing can be reported
    writer.run_failed()
    writer.run_failed()
    error = capsys.readouterr().err
    assert error.startswith("warning: no report was written: UserError: ")
    assert error.count("warning") == 1
