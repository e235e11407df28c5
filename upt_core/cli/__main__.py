"""``python -m upt_core.cli``: the same as ``upt``."""

from __future__ import annotations

from upt_core.cli import main

main(prog_name="upt")
