"""Latents of every state of a split, computed once and memory-mapped, for stages in which the encoder is frozen."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import upt_core
from upt_core.data.loader import Batches
from upt_core.data.normalize import Normalization
from upt_core.data.point_sets import PointSets
from upt_core.data.windows import Windows
from upt_core.errors import UserError
from upt_core.precision import Precision, autocast
from upt_core.specs import LatentSpec
from upt_core.trajectory import Split
from upt_core.whole_file import in_words

FORMAT = 2


def fingerprint(
    encoder: nn.Module,
    normalization: Normalization,
    data: Mapping[str, Any],
    split: Split,
    precision: Precision,
    model: Mapping[str, Any] | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> str:
    """A key of everything that latents depend on.

    These are the data set, its split and its statistics (they stand for the data's content: other values give other
    moments), the encoder's class, its settings, which weights alone do not tell (a radius, a number of neighbours),
    its weights, the precision, and the versions of torch and upt.

    Args:
        encoder: with its weights.
        normalization: statistics of the training split, and what is known of the data (box, history, conditions).
        data: settings of the data set.
        model: settings of the encoder and of the latent state.
        weights: the encoder's, where it is divided among processes; None: they are asked of it.
    """
    digest = hashlib.blake2b(digest_size=16)
    kind = f"{type(encoder).__module__}.{type(encoder).__qualname__}"
    versions = [FORMAT, torch.__version__, upt_core.__version__]
    plain = [versions, data, split, precision, normalization.plain(), repr(normalization.data), kind, model or {}]
    digest.update(json.dumps(plain, sort_keys=True).encode())
    for name, value in sorted((encoder.state_dict() if weights is None else weights).items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class LatentCache:
    """latent_BLD of every state, as float32 in one memory-mapped file; filling goes on where it was interrupted.

    Args:
        folder: where files are kept; a file's name is its fingerprint, so a stale one is never found.
        key: from ``fingerprint``.
        states: every state of the split as an input (windows of horizon 0).
        latent: shape of one latent.
    """

    def __init__(self, folder: Path, key: str, states: Windows, latent: LatentSpec) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{key}.npy"
        self._note = folder / f"{key}.json"
        self.states = states
        self._shape = (len(states), latent.tokens, latent.dim)
        if self.num_done == 0:
            self._make()
        self._array = np.load(self.path, mmap_mode="r")

    @property
    def num_done(self) -> int:
        """How many states are encoded."""
        if not (self._note.is_file() and self.path.is_file()):
            return 0
        note = json.loads(self._note.read_text(encoding="utf-8"))
        return int(note["done"]) if note["shape"] == list(self._shape) else 0

    def _make(self) -> None:
        """The file, with room for all: a process that writes into a mapped file on a full disk is killed (SIGBUS).

        Raises:
            UserError: there is no room.
        """
        try:
            np.lib.format.open_memmap(self.path, mode="w+", dtype=np.float32, shape=self._shape).flush()
            if hasattr(os, "posix_fallocate"):  # macOS has none
                with self.path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, self.path.stat().st_size)
        except OSError as error:
            size = math.prod(self._shape) * 4
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            raise UserError(
                f"{self.path}: no space for the latents of the training split ({size / 1e9:.3g} GB): "
                f"{in_words(error, self.path.parent)}; or set UPT_CACHE to another folder"
            ) from error

    @torch.no_grad()
    def fill(
        self,
        encoder: nn.Module,
        normalization: Normalization,
        batch_size: int,
        device: torch.device,
        precision: Precision,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        point_sets: PointSets | None = None,
    ) -> None:
        """Encodes the states that are missing, in evaluation mode; notes after each batch how far it came."""
        array = np.load(self.path, mmap_mode="r+")
        batches = Batches(self.states, normalization, batch_size, point_sets=point_sets)
        training = encoder.training
        encoder.eval()
        done = self.num_done
        while done < len(self.states):
            stop = min(done + batch_size, len(self.states))
            while self.states.grid_shape(stop - 1) != self.states.grid_shape(done):  # a batch is on one grid
                stop -= 1
            batch = batches.collate([self.states[number] for number in range(done, stop)]).to(device)
            with autocast(device, precision):
                latent_BLD = encoder(batch.input_BNC, batch.input_points)
            array[done:stop] = latent_BLD.float().cpu().numpy()
            array.flush()  # before the note that counts them
            done = stop
            self._write_note(done)
            on_progress(done, len(self.states))
        encoder.train(training)

    def rows(self, numbers: Sequence[int]) -> Tensor:
        """latent_BLD of states by number."""
        return torch.from_numpy(np.stack([self._array[number] for number in numbers]))

    def _write_note(self, done: int) -> None:
        part = self._note.with_suffix(".part")
        part.write_text(json.dumps({"done": done, "shape": self._shape}), encoding="utf-8")
        os.replace(part, self._note)
