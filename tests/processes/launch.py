"""Starts processes that train together, as torchrun does, but imports once: SIZE SCENARIO FOLDER.

Each writes what its scenario returns to FOLDER/SCENARIO-SIZE-RANK.pt.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import cost_scenarios
import fault_scenarios
import latest_scenarios
import memory_scenarios
import scenarios
import shared_scenarios
import torch
import torch.distributed as dist

from upt_core.processes import ALONE, current, joined

LIMIT = 600
"""Seconds after which processes that wait for each other in vain are ended."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def run(rank: int, size: int, scenario: str, folder: Path, port: int) -> None:
    environment = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": size,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    os.environ.update({name: str(value) for name, value in environment.items()})
    for _ in range(10):  # each time they must find each other anew
        with joined() as processes:
            assert processes.sums([1.0]) == [float(size)]
    own = scenario == "three"
    if own:  # a group that is made by hand
        del os.environ["LOCAL_RANK"]
        dist.init_process_group("gloo")
    with joined() as processes, joined() as again:
        assert again is processes is current()
        everything = (scenarios, shared_scenarios, fault_scenarios, cost_scenarios, memory_scenarios, latest_scenarios)
        module = next(one for one in everything if hasattr(one, scenario))
        found = getattr(module, scenario)(processes, folder)
    assert dist.is_initialized() is own
    assert current() is ALONE
    torch.save(found, folder / f"{scenario}-{size}-{rank}.pt")


def main(size: int, scenario: str, folder: Path) -> int:
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, too_late)
    port = free_port()
    children = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            try:
                run(rank, size, scenario, folder, port)
                os._exit(0)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
                os._exit(1)
        children.append(child)
    return first_failure(children)


def too_late(*_: object) -> None:
    raise TimeoutError(f"not finished after {LIMIT} seconds")


def first_failure(children: list[int]) -> int:
    """Waits for all; when one fails, or an hour-glass has run out, the others are ended."""
    signal.alarm(LIMIT)
    code = 0
    try:
        while children and code == 0:
            child, status = os.wait()
            children.remove(child)
            code = os.waitstatus_to_exitcode(status)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
