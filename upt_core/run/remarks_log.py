"""``remarks.jsonl``: what was remarked and warned of while a run was prepared and trained; its report shows it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

REMARKS = "remarks.jsonl"
MOST = 1000
"""Lines of one process: what is said at every step must not fill the disk."""


class RemarksLog:
    """Hears remarks and warnings, and appends each once, one JSON text a line.

    What is heard before the run folder is known waits. Nothing here ends a run: where the disk is full, a remark is
    lost, and the terminal had it.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._waiting: list[str] = []
        self._heard: set[str] = set()

    def __call__(self, text: str) -> None:
        """Notes a text that was not heard before."""
        if text in self._heard or len(self._heard) >= MOST:
            return
        self._heard.add(text)
        self._waiting.append(text)
        self._write()

    def write_to(self, run_dir: Path) -> None:
        """From now on into the run folder; first what has waited."""
        self._path = run_dir / REMARKS
        self._write()

    def _write(self) -> None:
        if self._path is None or not self._waiting:
            return
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(text, ensure_ascii=False) + "\n" for text in self._waiting)
        self._waiting.clear()


def read_remarks(run_dir: Path) -> list[str]:
    """What was said in a run, each text once; lines that a full disk or a kill has torn are left out."""
    path, found = run_dir / REMARKS, dict[str, None]()
    if not path.is_file():
        return []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            found[str(json.loads(line))] = None
    return list(found)
