"""Save, load, resume: one file that holds a run's operators and all that training needs to go on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from upt_core.operator import file, sharded_file
from upt_core.operator.load import weights_of
from upt_core.operator.rebuilt import load_weights
from upt_core.seeding import stream_seed


def save(state: Mapping[str, Any], path: Path) -> None:
    """Writes a checkpoint; see ``upt_core.operator.file``."""
    file.write(state, path)


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU; of the folder of several processes the state without the divided tensors.

    Raises:
        CheckpointError: missing, damaged, not a checkpoint of upt, or of another format.
    """
    return sharded_file.state_of(path) if sharded_file.is_one(path) else file.read(path)


def weights(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, the moving average where there is one.

    Raises:
        CheckpointError: unreadable.
    """
    return weights_of(sharded_file.read(path))


def load_model(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Loads weights, and says which differ where they belong to another architecture.

    Raises:
        CheckpointError: names or shapes differ.
    """
    load_weights(model, weights, str(path))


def random_state(device: torch.device) -> dict[str, Any]:
    """The global random states that dropout uses."""
    state = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def random_state_of(state: Mapping[str, Any], rank: int) -> dict[str, Any]:
    """The random state of a process in a checkpoint; one that has more processes now gets one of its own."""
    saved: list[dict[str, Any]] = [state["random"], *state.get("random_of_others", ())]
    if rank < len(saved):
        return saved[rank]
    first = hashlib.blake2b(saved[0]["torch"].numpy().tobytes(), digest_size=8).digest()
    seed = stream_seed(int.from_bytes(first, "little"), "process", rank)
    return {"torch": torch.Generator().manual_seed(seed).get_state(), "seed": seed}


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Restores what ``random_state`` gave."""
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    elif device.type == "cuda" and "seed" in state:
        torch.cuda.manual_seed(state["seed"])
