"""What is remarked and warned of in a run is in its folder, each text once."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path

import pytest

from upt_core.remarks import heard_by, remark
from upt_core.run.remarks_log import MOST, REMARKS, RemarksLog, read_remarks


def test_remarks_and_warnings_are_heard_beside_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = RemarksLog()
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        before = warnings.showwarning
        with heard_by(log):
            remark("before there is a folder")
            log.write_to(tmp_path)
            remark("before there is a folder")
            warnings.warn("an old call", DeprecationWarning, stacklevel=1)
        assert warnings.showwarning is before
    remark("after the run")
    assert read_remarks(tmp_path) == ["before there is a folder", "DeprecationWarning: an old call"]
    assert capsys.readouterr().err.count("remark: before there is a folder\n") == 2
    assert [str(one.message) for one in shown] == ["an old call"], "who recorded warnings before still does"


def test_filtered_warnings_are_not_heard(tmp_path: Path) -> None:
    log = RemarksLog()
    log.write_to(tmp_path)
    with warnings.catch_warnings(), heard_by(log):
        warnings.simplefilter("ignore")
        warnings.warn("of no interest", UserWarning, stacklevel=1)
    assert read_remarks(tmp_path) == []


def test_whoever_listens_after_us_stays(tmp_path: Path) -> None:
    with warnings.catch_warnings():

        def theirs(*_: object, **__: object) -> None: ...

        with heard_by(RemarksLog()):
            warnings.showwarning = theirs
        assert warnings.showwarning is theirs


def test_a_flood_ends_and_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    log = RemarksLog()
    log.write_to(tmp_path)
    for number in range(MOST + 5):
        log(f"step {number}\nis odd")
    assert len(read_remarks(tmp_path)) == MOST
    lost = RemarksLog()
    lost.write_to(tmp_path / "removed")
    with contextlib.suppress(ValueError), heard_by(lost):
        remark("lost")
        raise ValueError
    assert not (tmp_path / "removed").exists()


def test_what_a_kill_tore_is_left_out(tmp_path: Path) -> None:
    (tmp_path / REMARKS).write_bytes(b'"whole"\n"t\xc3')
    assert read_remarks(tmp_path) == ["whole"]
