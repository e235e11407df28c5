"""The built-in loss terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upt_core import hookimpl

if TYPE_CHECKING:
    from upt_core.hookspecs import Register


@hookimpl
def register_losses(register: Register) -> None:
    """Registers the loss terms by path: none is imported before it is used."""
    register("forward", "upt_losses.forward:Forward")
    register("inverse_encoding", "upt_losses.inverse_encoding:InverseEncoding")
    register("inverse_decoding", "upt_losses.inverse_decoding:InverseDecoding")
