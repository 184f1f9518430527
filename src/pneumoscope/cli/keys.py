"""``pneumoscope keys``: who may use the REST service."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli._options import AsJson, Database, command_group
from pneumoscope.cli._output import require_extra
from pneumoscope.errors import ServiceError

if TYPE_CHECKING:
    from pneumoscope.service.store import Store

app = command_group("keys", "Make, list, rotate and revoke keys of the REST service.")

KeyName = Annotated[str, typer.Argument(metavar="NAME", help="Of the key, such as the program that uses it.")]
Days = Annotated[int | None, typer.Option(min=1, metavar="N", help="Days until it ends.", show_default="no end")]


@app.command()
def create(
    name: KeyName,
    scopes: Annotated[
        str, typer.Option(metavar="SCOPE,...", help="What it opens: predict, read, metrics.")
    ] = "predict,read",
    days: Days = None,
    store: Database = None,
) -> None:
    """Make a key and print it. It is shown this once: the store keeps its hash alone."""
    from pneumoscope.service.store import SCOPES

    wanted = [scope for scope in SCOPES if scope in scopes.split(",")]
    if len(wanted) != len(set(scopes.split(","))):
        raise ServiceError(f"--scopes {scopes}: give some of {','.join(SCOPES)}, with commas between")
    typer.echo(_open(store).keys.create(name, wanted, lifetime=timedelta(days=days) if days else None))


@app.command("list")
def list_keys(store: Database = None, as_json: AsJson = False) -> None:
    """Show the keys there are and were, without the keys themselves."""
    from rich.table import Table
    from rich.text import Text

    from pneumoscope.cli._output import console, print_json

    keys = _open(store).keys.list()
    if as_json:
        print_json([key.model_dump(mode="json") | {"valid": key.valid} for key in keys])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Name", "Opens", "State", "Made", "Ends", "Fingerprint"):
        table.add_column(heading)
    for key in keys:
        state = "valid" if key.valid else "revoked" if key.revoked else "ended"
        table.add_row(
            Text(key.name), ", ".join(key.scopes), state, _time(key.created), _time(key.expires), key.fingerprint
        )
    console().print(table)


@app.command()
def rotate(
    name: KeyName,
    grace: Annotated[int, typer.Option(min=0, metavar="HOURS", help="Hours for which the old key stays valid.")] = 24,
    days: Days = None,
    store: Database = None,
) -> None:
    """Make a new key in place of one, with its scopes, and print it. The old one ends after the grace."""
    keys = _open(store).keys
    typer.echo(keys.rotate(name, grace=timedelta(hours=grace), lifetime=timedelta(days=days) if days else None))


@app.command()
def revoke(name: KeyName, store: Database = None) -> None:
    """End a key at once, and all that were rotated out under its name."""
    from pneumoscope.cli._output import counted

    typer.echo(f"{counted(_open(store).keys.revoke(name), 'key')} revoked.")


def _open(store: str | None) -> Store:
    require_extra("service", "sqlalchemy")
    from pneumoscope.service.store import Store

    return Store(store)


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "–"
