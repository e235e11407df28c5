"""The operators of the benchmark of quality: upt's, upt's with one thing changed, and others'."""

from __future__ import annotations

from dataclasses import dataclass

PLAIN = ("data.flips=[]", "data.swap=false", "data.roll_axes=[]", "data.rolls=4", "data.glide=null", "data.images=null")
"""Overrides that leave no image but the original."""
TORCH = ("fno", "tfno", "uno", "unet")
"""Families of networks on torch: neuraloperator's, and MONAI's U-Net."""
JAX = ("ape-fno", "ape-unet", "ape-resnet")
"""Families of networks on jax: APEBench's."""
ON_GRIDS = (*TORCH, *JAX)
ADAMW = "trainer.optimizer={name: adamw, lr: 2e-3, beta2: 0.98, weight_decay: 1e-4}"


@dataclass(frozen=True)
class Operator:
    """One way to an operator.

    Args:
        name: on the command line.
        title: as tables call it.
        family: "upt": trained from the task's configuration; one of ``ON_GRIDS``: others' networks on grids, in a plain
            loop, on the same batches with the same schedule; "persistence", "mean": nothing is trained.
        overrides: of the task's configuration.
        of_time: whether it makes sense only where there is time.
        plain: whether it is trained without the symmetric images that the task's configuration shows.
        moved: whether it keeps the task's sampler, which must move query points, around another one.
    """

    name: str
    title: str
    family: str
    overrides: tuple[str, ...] = ()
    of_time: bool = False
    plain: bool = False
    moved: bool = False

    @property
    def on_grid(self) -> bool:
        """Whether it takes data on grids alone."""
        return self.family in ON_GRIDS

    @property
    def trained(self) -> bool:
        """Whether the seed makes a difference."""
        return self.family not in ("persistence", "mean")


def _sampler(ratio: float, base: str) -> str:
    """The sampler of the task, which moves points, around another one with another share of the points."""
    return f"sampler.base={{name: ratio, ratio: {ratio}, base: {{{base}}}}}"


WEIGHTED = {
    "recipe": ("measured with the lines below", "losses.forward.weight=1"),
    "encoding-third": ("inverse encoding with a third of its weight", "losses.inverse_encoding.weight=0.3333"),
    "encoding-triple": ("inverse encoding with three times its weight", "losses.inverse_encoding.weight=3"),
    "encoding-2": ("inverse encoding on every 2nd batch", "losses.inverse_encoding.every=2"),
    "encoding-4": ("inverse encoding on every 4th batch", "losses.inverse_encoding.every=4"),
    "consistency-2": ("latent consistency on every 2nd batch", "losses.consistency.every=2"),
    "decoding-1": (
        "with inverse decoding of weight 0.1 on every batch",
        "losses.inverse_decoding={name: inverse_decoding, weight: 0.1}",
    ),
    "decoding-whole": (
        "with inverse decoding of weight 1 on every 2nd batch",
        "losses.inverse_decoding={name: inverse_decoding, every: 2}",
    ),
}
"""Other weights and frequencies of the losses."""
OPERATORS = {
    operator.name: operator
    for operator in (
        Operator("persistence", "persistence", "persistence"),
        Operator("mean", "mean field", "mean"),
        Operator("fno", "FNO, AdamW", "fno", (ADAMW,)),
        Operator("fno-soap", "FNO, SOAP", "fno"),
        Operator("fno-plain", "FNO, AdamW, without symmetric images", "fno", (ADAMW,), plain=True),
        Operator("fno-soap-plain", "FNO, SOAP, without symmetric images", "fno", plain=True),
        Operator("tfno", "TFNO, AdamW", "tfno", (ADAMW,)),
        Operator("tfno-soap", "TFNO, SOAP", "tfno"),
        Operator("uno", "UNO, AdamW", "uno", (ADAMW,)),
        Operator("uno-soap", "UNO, SOAP", "uno"),
        Operator("unet", "U-Net, AdamW", "unet", (ADAMW,)),
        Operator("unet-soap", "U-Net, SOAP", "unet"),
        Operator("ape-fno", "FNO of APEBench, AdamW", "ape-fno", (ADAMW,)),
        Operator("ape-unet", "U-Net of APEBench, AdamW", "ape-unet", (ADAMW,)),
        Operator("ape-resnet", "residual network of APEBench, AdamW", "ape-resnet", (ADAMW,)),
        Operator("upt", "upt", "upt"),
        Operator("upt-plain", "upt without symmetric images", "upt", plain=True),
        Operator("upt-adamw", "upt, AdamW", "upt", (ADAMW,)),
        Operator("upt-muon", "upt, Muon", "upt", ("trainer.optimizer={name: muon, lr: 8e-3, weight_decay: 0.0}",)),
        Operator("upt-no-consistency", "upt without latent consistency", "upt", ("losses.consistency.weight=0",), True),
        Operator("upt-no-inverse", "upt without inverse encoding", "upt", ("losses.inverse_encoding.weight=0",)),
        Operator(
            "upt-one-step",
            "upt, forward alone",
            "upt",
            ("losses.consistency.weight=0", "losses.inverse_encoding.weight=0"),
            of_time=True,
        ),
        Operator(
            "upt-inverse-decoding",
            "upt with inverse decoding",
            "upt",
            ("losses.inverse_decoding={name: inverse_decoding, weight: 0.1, every: 2}",),
        ),
        *(
            Operator(f"upt-{name}", f"upt, {title}", "upt", (_sampler(ratio, base),), moved=True)
            for name, title, ratio, base in (
                ("sixteenth", "a sixteenth of the points", 0.0625, "name: stratified"),
                ("sixteenth-uniform", "a sixteenth, uniform", 0.0625, "name: uniform"),
                (
                    "sixteenth-importance",
                    "a sixteenth, importance by target_gradient",
                    0.0625,
                    "name: importance, metric: target_gradient, start_epoch: 0",
                ),
                ("quarter", "a quarter of the points", 0.25, "name: stratified"),
                ("all", "all points", 1.0, "name: stratified"),
            )
        ),
        *(
            Operator(f"upt-{name}", f"upt, {title}", "upt", (change,), of_time="consistency" in change)
            for name, (title, change) in WEIGHTED.items()
        ),
        Operator("upt-dense", "upt, every point in every step", "upt", ("sampler=null",)),
        Operator(
            "upt-on-grid", "upt, 64 queries, all on the grid", "upt", ("sampler={name: stratified, num_queries: 64}",)
        ),
    )
}
LOSSES = ("upt", "upt-no-consistency", "upt-no-inverse", "upt-one-step", "upt-inverse-decoding")
"""The recipe, and with terms taken away or added: what each buys at equal time."""
WEIGHTS = tuple(f"upt-{name}" for name in WEIGHTED)
"""The recipe with other weights and frequencies of its losses, at equal time."""
SAMPLERS = ("upt-sixteenth-uniform", "upt-sixteenth", "upt-sixteenth-importance", "upt-quarter", "upt-all")
"""The recipe with other query points: how many and which, at equal time."""
MAIN = ("persistence", "mean", "fno", "fno-soap", "upt")
"""What is run where no operators are named; the others answer what each part of the recipe brings."""
