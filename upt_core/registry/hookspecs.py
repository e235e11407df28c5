"""How a plugin registers what it brings: one hook for each kind, and for commands and converters."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

PROJECT = "upt_core"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Register = Callable[[str, "type | str"], None]
"""``register(name, class_or_path)``: a class, or ``"package.module:Class"``, which is imported at first use."""


class RegistrationHooks:
    """One hook for each kind of plugin, and for commands and converters. Called once, when upt looks for plugins."""

    @hookspec
    def register_datasets(self, register: Register) -> None:
        """Registers data sets (``upt_core.Dataset``)."""

    @hookspec
    def register_samplers(self, register: Register) -> None:
        """Registers samplers (``upt_core.Sampler``)."""

    @hookspec
    def register_encoders(self, register: Register) -> None:
        """Registers encoders (``upt_core.Encoder``)."""

    @hookspec
    def register_approximators(self, register: Register) -> None:
        """Registers approximators (``upt_core.Approximator``)."""

    @hookspec
    def register_decoders(self, register: Register) -> None:
        """Registers decoders (``upt_core.Decoder``)."""

    @hookspec
    def register_losses(self, register: Register) -> None:
        """Registers loss terms (``upt_core.LossTerm``)."""

    @hookspec
    def register_schedules(self, register: Register) -> None:
        """Registers schedules (``upt_core.Schedule``)."""

    @hookspec
    def register_metrics(self, register: Register) -> None:
        """Registers metrics (``upt_core.Metric``)."""

    @hookspec
    def register_optimizers(self, register: Register) -> None:
        """Registers optimizers (``upt_core.Optimizer``)."""

    @hookspec
    def register_callbacks(self, register: Register) -> None:
        """Registers callbacks (``upt_core.Callback``)."""

    @hookspec
    def register_commands(self, register: Register) -> None:
        """Registers commands of ``upt``: ``click`` commands or groups, by the name that is typed."""

    @hookspec
    def register_converters(self, register: Register) -> None:
        """Registers converters of foreign configurations (``upt_core.commands.Converter``)."""


def refuse_unknown_hooks(manager: pluggy.PluginManager) -> None:
    """Refuses a hook that nobody calls, which is a misspelling more often than not.

    Raises:
        PluginValidationError: names the hook, who has it, and the hook that was meant, or all there are.
    """
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        import difflib  # late: help needs none

        callers = {name: caller for name, caller in vars(manager.hook).items() if not name.startswith("_")}
        known = sorted(name for name, caller in callers.items() if caller.has_spec())
        unknown = next(name for name in callers if name not in known)
        near = difflib.get_close_matches(unknown, known, n=1)
        said = f"did you mean '{near[0]}'?" if near else f"expected one of: {', '.join(known)}"
        raise pluggy.PluginValidationError(error.plugin, f"{error}; {said}") from None
