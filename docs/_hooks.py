"""Fills the reference pages from the code, so that they cannot say something else than it does."""

from __future__ import annotations

from typing import Any

import click
import typer
from pydantic import BaseModel

from pneumoscope.bundle import BundleSpec
from pneumoscope.cli.main import app
from pneumoscope.scoring import Prediction
from pneumoscope.training.recipe import Recipe


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace ``<!-- fill: NAME -->`` by what the code says."""
    for name, write in {"cli": _commands, "recipe": _recipe, "bundle": _bundle, "prediction": _prediction}.items():
        mark = f"<!-- fill: {name} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, write())
    return markdown


def _commands() -> str:
    return "\n".join(_command(typer.main.get_command(app), "pneumoscope", None))


def _command(command: click.Command, name: str, parent: click.Context | None) -> list[str]:
    context = click.Context(command, info_name=name.rsplit(" ", 1)[-1], parent=parent)
    lines = [f"## `{name}`", "", (command.help or "").strip(), ""]
    rows = []
    for parameter in command.get_params(context):
        flag = ", ".join(f"`{option}`" for option in parameter.opts) if parameter.param_type_name == "option" else ""
        label = flag or f"`{parameter.make_metavar(context)}`"
        rows.append(f"| {label} | {(getattr(parameter, 'help', '') or '').replace('|', '&#124;')} |")
    lines += ["| | |", "|---|---|", *rows, ""] if rows else []
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            if found is not None:
                lines += _command(found, f"{name} {verb}", context)
    return lines


def _recipe() -> str:
    return _table("Top level", Recipe)


def _bundle() -> str:
    return _table("`bundle.json`", BundleSpec)


def _prediction() -> str:
    return _table("Prediction", Prediction)


def _table(title: str, model: type[BaseModel]) -> str:
    """One table for a model and, after it, one for each model inside it."""
    lines = [f"## {title}", "", (model.__doc__ or "").strip(), "", "| Key | Type | Meaning |", "|---|---|---|"]
    inside: dict[str, type[BaseModel]] = {}
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        kind = str(field.annotation).replace("typing.", "").replace("pneumoscope.", "")
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type):
                kind = part.__name__ if part is field.annotation else kind
                if issubclass(part, BaseModel):
                    inside[name] = part
        default = "" if field.is_required() else f" Default: `{schema['properties'][name].get('default', '…')}`."
        if name in inside and not field.is_required():
            default = ""
        kind = kind.replace("|", "&#124;")
        lines.append(f"| `{name}` | {_last_names(kind)} | {field.description or ''}{default} |")
    lines.append("")
    for name, part in inside.items():
        lines.append(_table(f"`{name}`", part))
    return "\n".join(lines)


def _last_names(kind: str) -> str:
    """Type names without the modules that they live in."""
    import re

    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", kind)
