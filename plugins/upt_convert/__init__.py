"""Configurations of the system that upt replaces → upt's own form."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_converters(register: Register) -> None:
    """The converter of the old form; it is imported when a configuration is read."""
    register("pdet", "upt_convert.pdet:OLD_FORM")
