"""Errors of the person who runs upt become one message and exit code 2; errors of upt keep their traceback."""

from __future__ import annotations

import sys
from typing import Any

import click

from upt_core.cli.shadowed import never_run, shadowed
from upt_core.cli.text import indent, style
from upt_core.errors import ConfigError, PluginError, UserError
from upt_core.registry.discovery import installed

USER_ERROR, INTERRUPTED = 2, 130


class ErrorsAsMessages(click.Group):
    """A group whose commands may raise ``UserError``; it also has the commands that distributions bring."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The group's own commands and those of distributions, sorted."""
        return sorted({*super().list_commands(ctx), *installed().extensions_of("command")})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by name, the group's own first.

        Raises:
            PluginError: a distribution's command cannot be imported, or two claim the name.
        """
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        extension = installed().extension("command", cmd_name)
        if extension is None:
            return None
        command = extension.load()
        if not isinstance(command, click.Command):
            raise PluginError(f"{extension} is {command!r}; it must be a click command or group")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was typed; a distribution's command of the same name is named with the cure."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in self.commands and not ctx.resilient_parsing and "--no-third-party" not in rest:
            for hidden in shadowed([name], installed()):
                click.echo(f"{style('warning', fg='yellow', bold=True)}: {never_run(hidden)}", err=True)
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help; one that cannot be imported is named with the reason."""
        rows = []
        for name in self.list_commands(ctx):
            try:
                command = self.get_command(ctx, name)
            except PluginError as error:
                rows.append((name, f"(cannot be used: {error})"))
                continue
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(80)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        hidden = shadowed(self.commands, installed())
        if hidden:
            with formatter.section("Commands that never run"):
                formatter.write_dl([(each.name, never_run(each)) for each in hidden])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command. Exit codes: 2 for a user's error, 130 for an interrupt."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"{style('error', fg='red', bold=True)}: {message(error)}", err=True)
            sys.exit(USER_ERROR)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)


def message(error: UserError) -> str:
    """The text of an error with its notes; several problems of a configuration stand one below the other."""
    text = str(error)
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        problems = "\n".join(indent(problem, 2) for problem in error.told)
        text = f"the configuration has {len(error.problems)} problems\n{problems}"
    return "\n".join([text, *getattr(error, "__notes__", [])])
