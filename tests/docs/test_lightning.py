"""The Lightning block of "in your own loop", where Lightning is installed: upt does not depend on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "in-your-own-loop.md"


@pytest.mark.filterwarnings("ignore")
def test_the_block_trains_with_a_smaller_last_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightning", reason="Lightning is not installed")
    monkeypatch.chdir(tmp_path)
    before, _, after = PAGE.read_text(encoding="utf-8").partition("## In Lightning")
    blocks = re.findall(r"^```python\n(.*?)^```$", before, re.MULTILINE | re.DOTALL)
    lightning = re.search(r"^```text\n(import lightning\n.*?)^```$", after, re.MULTILINE | re.DOTALL)
    assert lightning is not None
    names: dict[str, Any] = {"__name__": "page"}
    for block in [*blocks, lightning[1]]:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(names["samples"]) % 4 == 2
    assert all(parameter.grad is not None for parameter in names["model"].parameters())
