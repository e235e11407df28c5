"""Draws where three samplers look: python picture.py FILE.png (needs matplotlib)."""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import torch
from upt_gallery.blue_noise import BlueNoise

from upt_core import Points, Progress
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform

SIDE, COUNT = 64, 256


def main(file: str) -> None:
    """Three panels, one sampler each."""
    axis = torch.arange(SIDE) / SIDE
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).view(1, -1, 2)
    points = Points(grid, (SIDE, SIDE), extent=(1.0, 1.0), periodic=(True, True))
    figure, panels = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
    for panel, sampler in zip(panels, (Uniform(COUNT), Stratified(COUNT), BlueNoise(COUNT)), strict=True):
        queries = sampler.sample(points, torch.Generator().manual_seed(0), Progress())
        places_QX = queries.take(grid)[0]
        panel.scatter(places_QX[:, 1], places_QX[:, 0], s=9, color="#2a5fa5", linewidths=0)
        panel.set(title=type(sampler).__name__, xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1), aspect="equal")
    figure.savefig(file, dpi=150)


if __name__ == "__main__":
    main(sys.argv[1])
