"""Seeds for named streams: a draw is a pure function of (run seed, stream, epoch, step, rank)."""

from __future__ import annotations

import hashlib

import torch


def stream_seed(seed: int, stream: str, *counters: int) -> int:
    """A 63-bit seed, well mixed, from the run's seed, the name of the stream and its counters."""
    text = "\x1f".join([str(seed), stream, *map(str, counters)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(device: torch.device | str, seed: int, stream: str, *counters: int) -> torch.Generator:
    """A torch generator for one draw of one stream; the global random state is not touched."""
    return torch.Generator(device).manual_seed(stream_seed(seed, stream, *counters))
