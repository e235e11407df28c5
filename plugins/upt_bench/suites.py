"""The suites of ``upt bench``: what each measures, the parts that do it, and the files it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upt_bench.results import Results
    from upt_bench.setting import Setting


@dataclass(frozen=True)
class Suite:
    """Measurements that belong together, made in one run.

    Args:
        summary: what is measured, one sentence.
        details: more about it, and how long it takes.
        parts: modules of this package with ``measure(setting, results)``; imported when the suite runs.
        pictures: module with ``draw_pictures(results, out)``; empty: there are none.
        files: that it writes beside ``results.json``.
        real_data: whether it can use a folder of real data sets.
    """

    summary: str
    details: str
    parts: tuple[str, ...]
    pictures: str = ""
    files: tuple[str, ...] = ()
    real_data: bool = False

    def run(self, setting: Setting, out: Path) -> Results:
        """Measures everything, and writes ``results.json`` and the plots into a folder."""
        from upt_bench.run import run_parts

        results = run_parts([import_module(f"upt_bench.{part}") for part in self.parts], setting, out)
        if self.pictures:
            import_module(f"upt_bench.{self.pictures}").draw_pictures(results, out)
        return results


SUITES: Mapping[str, Suite] = {
    "samplers": Suite(
        "Speed and variance of samplers against N, compared with alternatives and goals.",
        "Without real data, fields that upt solves itself replace them, and goals for real data are left out. Takes "
        "about a quarter of an hour.",
        (
            "speed",
            "waits",
            "field_variance",
            "gradient_variance",
            "grid_gradient",
            "alternatives",
            "share",
            "main_example",
            "flow_training",
            "accuracy",
        ),
        "pictures",
        ("speed.png", "variance.png"),
        real_data=True,
    ),
    "losses": Suite(
        "Time and memory of the losses against the number of query points.",
        "On a grid of 64 × 64 points, 10 samples, a decoder of width 256. Takes about five minutes and 8 GB of memory.",
        ("loss_costs",),
        "loss_pictures",
        ("costs.png",),
    ),
    "start": Suite(
        "Time of `upt --help` and of `upt check`.",
        "Takes two minutes.",
        ("start",),
    ),
    "optimizers": Suite(
        "The optimizers' part of a training step.",
        "Takes two minutes.",
        ("optimizers",),
    ),
    "scaling": Suite(
        "How the cost of a step grows with points, query points and tokens; one process compared with two.",
        "Takes about five minutes.",
        ("scaling", "ranks"),
        "scaling_pictures",
        ("scaling.png",),
    ),
    "attention": Suite(
        "How the cost of the transformer grows with the latent tokens, for full, windowed and linear attention.",
        "From 256 to 16,384 tokens of width 64. Takes about five minutes.",
        ("attention",),
    ),
    "device": Suite(
        "What the device makes of training: precisions, torch.compile, CUDA graphs, gathers, the decoder's roofline.",
        "On CUDA and on the CPU; CUDA graphs are left out on the CPU. Takes about five minutes, mostly to compile.",
        ("precisions", "compiled_steps", "cuda_graphs", "gathers", "roofline"),
    ),
    "inverse": Suite(
        "Effect of inverse_decoding on the error, for each value of its option `reads`.",
        "Test errors after equal processor time on three data sets. Takes about a quarter of an hour.",
        ("inverse_training",),
        real_data=True,
    ),
    "step": Suite(
        "Time and memory of a training step of the three losses, compared with a plain implementation.",
        "On a grid of 64 × 64 points, 10 samples, 128 tokens of width 256, 2,048 query points. Takes about ten minutes "
        "and 6 GB of memory.",
        ("step_costs",),
    ),
    "estimate": Suite(
        "Peak memory of twelve experiments: estimated by `upt estimate`, and measured.",
        "Takes about five minutes; --quick measures one experiment.",
        ("estimates",),
    ),
    "loop": Suite(
        "The trainer compared with a bare loop, on the main example; how long a checkpoint stalls it.",
        "Takes about five minutes.",
        ("loop",),
    ),
    "data": Suite(
        "Samples per second of every file reader, compared with a bare loop that reads the same bytes.",
        "In several layouts, without and with processes that read ahead. Takes about five minutes and 1 GB of disk.",
        ("data",),
    ),
    "neighbours": Suite(
        "Training steps with supernodes at increasing numbers of points, and methods of neighbour search.",
        "Without real data, generated points replace those of the flow. Takes about five minutes.",
        ("supernode_steps", "neighbour_searches"),
        "neighbour_pictures",
        ("neighbours.png",),
        real_data=True,
    ),
}
