"""``pneumoscope dashboard``: look at films in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli._options import BundleName, Columns, Database, OperatingPointName, Preset, parse_columns
from pneumoscope.cli._output import require_extra


def dashboard(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    bundle: BundleName = "default",
    operating_point: OperatingPointName = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A folder that evaluate --out wrote; repeat it for several."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH|NAME",
            help="The model's training films (split train), to show those most similar to a film; repeatable.",
        ),
    ] = None,
    columns: Columns = None,
    preset: Preset = None,
    store: Database = None,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Size of one film.")] = 100,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Allow other addresses: a proxy in front asks who comes.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")] = True,
) -> None:
    """Drop films into a browser: heat map, probability, reasons, verdicts; explore evaluations; read the model card."""
    require_extra("dashboard", "streamlit")
    require_extra("service", "sqlalchemy")

    from pneumoscope.cohorts import load_cohort
    from pneumoscope.service.dashboard import run

    training = None
    if data:
        training = load_cohort(data, columns=parse_columns(columns), preset=preset).select("train")
    run(
        bundle,
        host=host,
        port=port,
        operating_point=operating_point,
        evaluations=tuple(evaluation or ()),
        database=store,
        max_megabytes=max_megabytes,
        training=training,
        behind_proxy=behind_proxy,
        browser=browser,
    )
