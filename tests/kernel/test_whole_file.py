"""Small files are written whole or not at all."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from upt_core import UserError
from upt_core.whole_file import replacing, write_text


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
    told = "a.txt: cannot be written: the run folder is gone; was it removed or moved"
    with pytest.raises(UserError, match=told):
        write_text(tmp_path / "gone" / "a.txt", "x")
