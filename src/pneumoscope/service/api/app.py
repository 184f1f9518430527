"""The application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from pneumoscope import __version__
from pneumoscope.scoring import RESEARCH_NOTICE, Predictor
from pneumoscope.service.api.guard import Guard
from pneumoscope.service.api.meters import Meters
from pneumoscope.service.api.problems import ProblemDocument, install
from pneumoscope.service.api.routes import router
from pneumoscope.service.api.schemas import Answers
from pneumoscope.service.api.scorer import Scorer
from pneumoscope.service.api.settings import Settings
from pneumoscope.service.store import Store

DESCRIPTION = f"""Screens chest radiographs for pneumonia and says how far to trust it.

**{RESEARCH_NOTICE}**"""


def create_app(predictor: Predictor, store: Store, settings: Settings | None = None) -> FastAPI:
    """The REST service as an ASGI application.

    Args:
        predictor: scores the films.
        store: keeps the predictions and the keys; closed at the end.
        settings: bounds; the defaults if None.
    """
    settings = settings or Settings()
    meters = Meters(lambda: scorer.films)
    scorer = Scorer(predictor, settings, lambda films: meters.batches.observe(films))

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await scorer.start()
        try:
            yield
        finally:
            await scorer.stop()
            store.close()

    # The interactive pages of FastAPI load their code from elsewhere, which a clinic's network need not allow.
    app = FastAPI(
        title="Pneumoscope",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.settings = settings
    app.state.store = store
    app.state.scorer = scorer
    app.state.meters = meters
    app.state.spec = predictor.spec
    app.include_router(router)
    app.add_middleware(Guard, meters=meters, loopback_only=not settings.authentication)
    install(app)
    _complete(app)
    return app


def _complete(app: FastAPI) -> None:
    """Put the schemas of answers that no operation returns as its model into the OpenAPI document too."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document["components"]["schemas"]
        template = "#/components/schemas/{model}"
        for schema in (ProblemDocument, Answers):
            found = schema.model_json_schema(ref_template=template)
            for name, part in (found.pop("$defs", {}) | {schema.__name__: found}).items():
                schemas.setdefault(name, part)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
