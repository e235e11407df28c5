"""Small files are written whole or not at all."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from upt_core import CheckpointError, UserError
from upt_core.run import resume
from upt_core.run.folder import parents
from upt_core.whole_file import read_json, replacing, write_text


@pytest.fixture
def largest() -> Iterator[int]:
    """No file may become larger than these bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    yield 64
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_text_takes_the_place_of_another(tmp_path: Path) -> None:
    for text in ("one", "another ü"):
        write_text(tmp_path / "a.txt", text)
        assert (tmp_path / "a.txt").read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_was_there_stays_where_writing_fails(tmp_path: Path, largest: int) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "whole")
    told = r"a.txt: cannot be written: the file is larger than this system or user may write \(ulimit -f\); raise"
    with pytest.raises(UserError, match=told):
        write_text(path, "x" * (largest + 1))
    with pytest.raises(KeyboardInterrupt):
        interrupted_in(path)
    assert path.read_text() == "whole"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def interrupted_in(path: Path) -> None:
    with replacing(path) as part:
        part.write_text("half of")
        raise KeyboardInterrupt


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    told = "a.txt: cannot be written: the folder is gone; was it removed or moved"
    with pytest.raises(UserError, match=told):
        write_text(tmp_path / "gone" / "a.txt", "x")


@pytest.mark.parametrize("content", [b'{"ta', b"", b"\xff\xfe{", b"[]"])
def test_a_damaged_file_of_a_run_is_named_with_the_cure(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "start.json").write_bytes(content)
    told = (
        r"start.json: this file is damaged: .*; use another copy, or remove the file: the run continues without "
        r"it, and"
    )
    with pytest.raises(CheckpointError, match=told):
        parents(tmp_path, "")
    (tmp_path / "changes.json").write_bytes(content.replace(b"[]", b"{}"))
    with pytest.raises(CheckpointError, match=told.replace("start", "changes")):
        resume.history(tmp_path)


def test_a_file_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert read_json(tmp_path / "a.json") == {}
    assert resume.history(tmp_path) == []
