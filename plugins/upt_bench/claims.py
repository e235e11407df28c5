"""What upt claims to be able to do, each claim with the figure that measured it: one table for several suites."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from upt_bench.results import Results
from upt_bench.table import goal, markdown, measured, reached


@dataclass(frozen=True)
class Claim:
    """One figure of a suite.

    Args:
        suite: its name.
        key: of the figure, whose text is the claim.
        page: that says more, within the documentation.
        main: whether it is among the few of the first page.
    """

    suite: str
    key: str
    page: str
    main: bool = False


CLAIMS = (
    Claim("quality", "burgers1d_rollout_to_fno", "results.md", main=True),
    Claim("quality", "kolmogorov_rollout_to_fno", "results.md", main=True),
    Claim("quality", "shallow_water_one_step_to_fno", "results.md", main=True),
    Claim("quality", "darcy_one_step_to_fno", "results.md"),
    Claim("step", "time_decoded", "inverse-decoding.md", main=True),
    Claim("step", "time_mixed", "inverse-decoding.md"),
    Claim("step", "memory_decoded", "inverse-decoding.md", main=True),
    Claim("step", "memory_decoded_chunks", "inverse-decoding.md", main=True),
    Claim("losses", "step_half", "losses.md"),
    Claim("losses", "decoder_half", "losses.md"),
    Claim("neighbours", "grid_step", "supernodes.md", main=True),
    Claim("neighbours", "cloud_step", "supernodes.md"),
    Claim("neighbours", "cloud_heard", "supernodes.md"),
    Claim("samplers", "uniform_growth", "samplers.md", main=True),
    Claim("samplers", "stratified_speedup", "samplers.md"),
    Claim("samplers", "stratified_flow", "samplers.md"),
    Claim("samplers", "importance_gradient_256", "samplers.md"),
    Claim("samplers", "share_of_step", "samplers.md"),
    Claim("estimate", "estimate", "memory-analysis.md", main=True),
    Claim("loop", "trainer_over_bare_loop", "speed.md", main=True),
    Claim("loop", "warm_up", "speed.md"),
    Claim("optimizers", "part_of_muon", "speed.md"),
    Claim("scaling", "growth_Q", "speed.md"),
    Claim("scaling", "ranks", "speed.md"),
    Claim("start", "help", "speed.md"),
    Claim("start", "check", "speed.md"),
)
SUITES = tuple(dict.fromkeys(claim.suite for claim in CLAIMS))
PAGES = ("quick-reference.md", "index.md")


def _table(claims: tuple[Claim, ...]) -> Callable[[Mapping[str, Results]], str]:
    """What makes a table of some claims, from the results of the suites by name."""

    def table(results: Mapping[str, Results]) -> str:
        rows = []
        for claim in claims:
            figure = next(figure for figure in results[claim.suite].figures if figure.key == claim.key)
            text = f"[{figure.text}]({claim.page})"
            command = f"`upt bench {claim.suite}`"
            rows.append([text, goal(figure), f"**{measured(figure)}**", reached(figure), command])
        return markdown(["claim", "goal", "measured", "reached", "command"], rows)

    return table


TABLES: Mapping[str, Callable[[Mapping[str, Results]], str]] = {
    "all": _table(CLAIMS),
    "main": _table(tuple(claim for claim in CLAIMS if claim.main)),
}
