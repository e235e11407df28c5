"""What all tests share: one thread, and the folder of real data sets where there is one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so it is in the background of a shell, and for all that starts
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # there: tests that interrupt a process would wait for ever
torch.set_num_threads(1)  # two busy threads on a loaded machine cost many times the time of one


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets named by UPT_TEST_DATA; tests that need it skip where it is absent."""
    folder = os.environ.get("UPT_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set UPT_TEST_DATA to a folder with the real data sets to run this test")
    return Path(folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generated data goes to a cache of the test session, never to the user's."""
    monkeypatch.setenv("UPT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def cuda() -> torch.device:
    """A CUDA device; tests that need one skip where there is none."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda")
