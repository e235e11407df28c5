"""Help and the list of plugins import nothing heavy; NO_COLOR and pipes are respected; exit codes of the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

import upt_core

HEAVY = ("torch", "numpy", "pydantic", "matplotlib", "rich", "yaml")
PROBE = """
import sys
from upt_core.cli import main
main(sys.argv[1:], standalone_mode=False)
print("loaded:", [name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""

Process = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plugins"], ["train", "--help"]])
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    probe = PROBE.format(heavy=HEAVY)
    if arguments[-1] != "plugins":
        probe = probe.replace(
            "main(sys.argv[1:], standalone_mode=False)", "\ntry:\n    main()\nexcept SystemExit:\n    pass"
        )
    done = subprocess.run([sys.executable, "-c", probe, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == "loaded: []\n"
    assert done.stdout


def test_version(own_process: Process) -> None:
    assert own_process("--version").stdout == f"upt, version {upt_core.__version__}\n"


def test_a_users_error_ends_the_process_with_2_and_one_plain_message(own_process: Process) -> None:
    done = own_process("check", "absent.yaml")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: absent.yaml: does not exist")
    assert "\x1b" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_argument_is_a_usage_error(own_process: Process) -> None:
    done = own_process("train")
    assert done.returncode == 2
    assert "CONFIG is missing: the YAML file of an experiment, or --resume RUN" in done.stderr


def test_the_garbage_collector_leaves_torch_alone_and_works_again() -> None:
    code = """
import gc, sys
from upt_core.cli.load import import_torch
import_torch()
first = gc.get_freeze_count()
print("torch" in sys.modules, first > 100_000, gc.isenabled())
kept = [[] for _ in range(1000)]
import_torch()  # once: what a run holds by now is not frozen
print(gc.get_freeze_count() == first)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True True True\nTrue\n"
