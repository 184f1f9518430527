"""``pneumoscope serve``: the REST service."""

from __future__ import annotations

from typing import Annotated

import typer

from pneumoscope.cli._options import BundleName, Database, OperatingPointName
from pneumoscope.cli._output import require_extra


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    bundle: BundleName = "default",
    operating_point: OperatingPointName = None,
    store: Database = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Ask for no key; only for requests from this machine.")
    ] = False,
    keep_names: Annotated[bool, typer.Option("--keep-names", help="Keep names of files on record.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, max=64, help="Films scored at a time, where so many wait.")] = 4,
    queue: Annotated[int, typer.Option(min=1, help="Films that may wait; more are answered 429.")] = 64,
    max_films: Annotated[int, typer.Option(min=1, max=256, help="Films of one request.")] = 16,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Size of one request.")] = 100,
    max_megapixels: Annotated[int, typer.Option(min=1, help="Size of one film.")] = 40,
) -> None:
    """Score films that come over HTTP; see docs/how-to/serve.md.

    Keys are made with `pneumoscope keys create`. The OpenAPI document is at /openapi.json.
    """
    require_extra("service", "fastapi")

    from pneumoscope.radiograph import Limits
    from pneumoscope.service.api import Settings
    from pneumoscope.service.api import serve as run

    size = max_megabytes << 20
    run(
        bundle,
        host=host,
        port=port,
        settings=Settings(
            authentication=not no_auth,
            body=size,
            bodies=max(Settings.bodies, size),
            films=max_films,
            limits=Limits(size=size, pixels=max_megapixels * 10**6),
            queue=max(queue, max_films),
            batch=batch_size,
        ),
        database=store,
        operating_point=operating_point,
        keep_names=keep_names,
    )
