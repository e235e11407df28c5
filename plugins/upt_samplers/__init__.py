"""The built-in samplers: how many query points a loss looks at, and which."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_samplers(register: Register) -> None:
    """Registers the samplers by path: none is imported before it is used."""
    register("uniform", "upt_samplers.uniform:Uniform")
    register("stratified", "upt_samplers.stratified:Stratified")
    register("sobol", "upt_samplers.sobol:Sobol")
    register("ratio", "upt_samplers.ratio:Ratio")
    register("cosine", "upt_samplers.cosine:Cosine")
    register("linear", "upt_samplers.linear:Linear")
    register("importance", "upt_samplers.importance:Importance")
    register("mixture", "upt_samplers.mixture:Mixture")
    register("jittered", "upt_samplers.jittered:Jittered")
    register("boundary", "upt_samplers.boundary:Boundary")
