"""The command ``pneumoscope``: one verb per module, loaded when it is needed."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pneumoscope import __version__
from pneumoscope.errors import PneumoscopeError

VERBS = {
    "demo": "demo",
    "predict": "predict",
    "explain": "explain",
    "screen": "screen",
    "evaluate": "evaluate",
    "calibrate": "calibrate",
    "train": "train",
    "reproduce": "app",
    "suitability": "app",
    "node": "app",
    "data": "app",
    "models": "app",
    "export": "export",
    "dashboard": "dashboard",
    "serve": "serve",
    "keys": "app",
    "records": "app",
}
"""Verb → the name, in the module of the same name, of its function or of the app that holds its own verbs."""


class _LazyVerbs(TyperGroup):
    """Imports a verb's module when that verb is run or helped with; these modules are cheap to import."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        found = getattr(import_module(f"pneumoscope.cli.{cmd_name}"), VERBS[cmd_name])
        if not isinstance(found, typer.Typer):
            verb = found
            found = typer.Typer(add_completion=False)
            found.command(cmd_name)(verb)
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_LazyVerbs,
    name="pneumoscope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pneumoscope {__version__}")
        raise typer.Exit


@app.callback()
def pneumoscope(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Screen chest radiographs for pneumonia, see where the network looked, and train and judge it on your films.

    Research use only. Not a medical device and never a diagnosis.
    """


def main() -> None:
    """Run the command line and end the process: 0 all fine, 1 some items failed, 2 wrong use, 130 interrupted."""
    try:
        try:
            app(prog_name="pneumoscope")
        except PneumoscopeError as error:
            typer.echo(f"pneumoscope: error: {error}", err=True)
            sys.exit(error.exit_code)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has left. Python flushes once more at exit, which must find an open file.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
