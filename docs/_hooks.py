"""Fills the reference pages from the code, so that they cannot say something else than it does."""

from __future__ import annotations

import inspect
import re
from typing import Any

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


def _command(command: Any, name: str, parent: Any) -> list[str]:
    context = command.context_class(command, info_name=name.rsplit(" ", 1)[-1], parent=parent)
    lines = [f"## `{name}`", "", inspect.cleandoc(command.help or ""), ""]
    rows = []
    for parameter in command.get_params(context):
        flag = ", ".join(f"`{option}`" for option in parameter.opts) if parameter.param_type_name == "option" else ""
        label = flag or f"`{parameter.metavar or parameter.name.upper()}`".replace("|", "\\|")
        rows.append(f"| {label} | {(getattr(parameter, 'help', '') or '').replace('|', '&#124;')} |")
    lines += ["| | |", "|---|---|", *rows, ""] if rows else []
    if hasattr(command, "list_commands"):
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
    lines = [f"## {title}", "", inspect.cleandoc(model.__doc__ or ""), "", "| Key | Type | Meaning |", "|---|---|---|"]
    inside: dict[str, type[BaseModel]] = {}
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        kind = str(field.annotation).replace("typing.", "").replace("pneumoscope.", "")
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type):
                kind = part.__name__ if part is field.annotation else kind
                if issubclass(part, BaseModel):
                    inside[name] = part
        known = schema["properties"][name].get("default", "")
        default = f" Default: `{known}`." if known != "" and name not in inside else ""
        kind = _last_names(kind).replace("|", "&#124;").replace("[", "\\[")
        meaning = f"{field.description}." if field.description else ""
        lines.append(f"| `{name}` | {kind} | {meaning}{default} |")
    lines.append("")
    for name, part in inside.items():
        lines.append(_table(f"`{name}`", part))
    return "\n".join(lines)


def _last_names(kind: str) -> str:
    """Type names without the modules that they live in."""
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", kind)
