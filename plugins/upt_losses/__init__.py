"""The built-in loss terms."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_losses(register: Register) -> None:
    """Registers the loss terms by path: none is imported before it is used."""
    register("forward", "upt_losses.forward:Forward")
    register("inverse_encoding", "upt_losses.inverse_encoding:InverseEncoding")
    register("inverse_decoding", "upt_losses.inverse_decoding:InverseDecoding")
    register("rollout", "upt_losses.rollout:Rollout")
    register("spectral", "upt_losses.spectral:Spectral")
    register("relative_lp", "upt_losses.relative_lp:RelativeLp")
    register("conservation", "upt_losses.conservation:Conservation")
    register("boundary", "upt_losses.boundary:Boundary")
    register("positivity", "upt_losses.positivity:Positivity")
    register("divergence", "upt_losses.divergence:Divergence")
    register("latent_norm", "upt_losses.latent_norm:LatentNorm")
    register("latent_diversity", "upt_losses.latent_diversity:LatentDiversity")
