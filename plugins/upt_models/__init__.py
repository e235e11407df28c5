"""Model parts: encoders, latent approximators and decoders of Universal Physics Transformers."""

from __future__ import annotations

from collections.abc import Callable

from upt_core import hookimpl

Register = Callable[[str, str], None]


@hookimpl
def register_encoders(register: Register) -> None:
    """Encoders: fields at points → latent tokens."""
    register("grid", "upt_models.grid_encoder:GridEncoder")
    register("patches", "upt_models.patches_encoder:PatchesEncoder")
    register("lattice", "upt_models.lattice_encoder:LatticeEncoder")
    register("supernode", "upt_models.supernode_encoder:SupernodeEncoder")


@hookimpl
def register_approximators(register: Register) -> None:
    """Approximators: latent tokens → latent tokens one time step later."""
    register("transformer", "upt_models.transformer:Transformer")
    register("spectral", "upt_models.spectral:Spectral")
    register("convolution", "upt_models.convolution:Convolution")


@hookimpl
def register_decoders(register: Register) -> None:
    """Decoders: latent tokens and query points → fields."""
    register("perceiver", "upt_models.perceiver_decoder:PerceiverDecoder")
    register("anchored", "upt_models.anchored_decoder:AnchoredDecoder")
    register("basis", "upt_models.basis_decoder:BasisDecoder")
    register("near", "upt_models.near_decoder:NearDecoder")
