"""A run that was killed while it wrote where its sampler looked goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from upt_core.run.observation import SAMPLING, _densities_of


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"\0" * 40, b"text"])
def test_a_damaged_record_of_the_sampler_is_left_out(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / SAMPLING).write_bytes(content)
    assert _densities_of(tmp_path / SAMPLING) == []
    assert "sampling.npz: damaged (" in capsys.readouterr().err
    assert _densities_of(tmp_path / "absent.npz") == []
