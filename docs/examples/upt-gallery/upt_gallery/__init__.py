"""Seven plugins for upt, one file each. Names lead to paths, so that listing plugins imports none of them."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_samplers(register: Register) -> None:
    """Query points of the losses."""
    register("blue_noise", "upt_gallery.blue_noise:BlueNoise")


@hookimpl
def register_losses(register: Register) -> None:
    """What is learned."""
    register("sobolev", "upt_gallery.sobolev:Sobolev")


@hookimpl
def register_approximators(register: Register) -> None:
    """One time step in the latent space."""
    register("gru", "upt_gallery.gru:Gru")
    register("fourier", "upt_gallery.fourier:Fourier")


@hookimpl
def register_datasets(register: Register) -> None:
    """What is learned from."""
    register("csv_folder", "upt_gallery.csv_folder:CsvFolder")


@hookimpl
def register_callbacks(register: Register) -> None:
    """What listens."""
    register("relobralo", "upt_gallery.relobralo:Relobralo")
    register("wall_clock", "upt_gallery.wall_clock:WallClock")
