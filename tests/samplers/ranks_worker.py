"""One of two processes that train together; test_ranks starts it: RANK, FILE to meet at, FILE of results."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist

from upt_core import Points, Progress, Queries
from upt_samplers.importance import Importance

START = Progress(epoch=1, num_epochs=20)
NUM_SAMPLES = 5


def points_of(samples: list[int]) -> Points:
    axis = (torch.arange(8) + 0.5) / 8
    coords = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).view(1, 64, 2)
    return Points(coords.expand(len(samples), -1, -1), grid_shape=(8, 8), sample_id_B=torch.tensor(samples))


class Errors:
    """Errors that differ a little from rank to rank, as those of two devices may."""

    def __init__(self, rank: int) -> None:
        self.num_samples = NUM_SAMPLES
        rng = torch.Generator().manual_seed(0)
        self.value_BN = torch.rand(NUM_SAMPLES, 64, generator=rng) + 1e-3 * rank

    def errors(self) -> object:
        yield points_of(list(range(NUM_SAMPLES))), self.value_BN

    def targets(self) -> object:
        yield points_of(list(range(NUM_SAMPLES))), self.value_BN.unsqueeze(-1)


def seen(rank: int, step: int) -> tuple[list[int], torch.Tensor, torch.Tensor]:
    """Samples, query points and errors of a rank; ranks differ in rows and in query points."""
    rng = torch.Generator().manual_seed(100 * rank + step)
    samples = [[0, 1], [1, 2, 4]][rank]
    count = (12, 16)[rank]
    index_BQ = torch.stack([torch.randperm(64, generator=rng)[:count] for _ in samples])
    return samples, index_BQ, torch.rand(index_BQ.shape, generator=rng)


def main(rank: int, meeting: str, out: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    sampler, states = Importance(block=4), []
    sampler.refresh(Errors(rank), START)  # type: ignore[arg-type]
    for step in range(4):
        samples, index_BQ, error_BQ = seen(rank, step)
        sampler.observe(points_of(samples), Queries(index_BQ), error_BQ)
    states.append(sampler.state_dict()["value_SK"])
    sampler.refresh(Errors(rank), START)  # type: ignore[arg-type]
    states.append(sampler.state_dict()["value_SK"])
    torch.save(states, out)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
