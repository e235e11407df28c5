"""Errors of the person who runs upt become one message and exit code 2; errors of upt keep their traceback."""

from __future__ import annotations

import sys
from typing import Any

import click

from upt_core.cli.text import indent, style
from upt_core.errors import ConfigError, UserError

USER_ERROR, INTERRUPTED = 2, 130


class ErrorsAsMessages(click.Group):
    """A group whose commands may raise ``UserError``."""

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
        problems = "\n".join(indent(str(problem), 2) for problem in error.problems)
        text = f"the configuration has {len(error.problems)} problems\n{problems}"
    return "\n".join([text, *getattr(error, "__notes__", [])])
