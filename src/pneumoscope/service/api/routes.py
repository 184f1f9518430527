"""What can be asked for."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from pneumoscope.explanation import STRONGEST_ALPHA
from pneumoscope.service.api.access import needs
from pneumoscope.service.api.problems import Problem, answers
from pneumoscope.service.api.schemas import Answer, Answers, Models, State, answer, answers_for, model
from pneumoscope.service.api.scorer import Scorer
from pneumoscope.service.api.uploads import Upload, declared_size, receive
from pneumoscope.service.pictures import heat_png, scaled
from pneumoscope.service.store import NewRecord, Record, Store

router = APIRouter()
Name = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="of a prediction, as POST gave it")]

_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["films"],
                    "properties": {
                        "films": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "PNG, JPEG, TIFF, BMP, WebP or DICOM; recognised by content",
                        }
                    },
                }
            }
        },
    }
}


@router.post(
    "/v1/predictions",
    response_model=Answers,
    dependencies=[Depends(needs("predict"))],
    openapi_extra=_UPLOAD,
    responses={
        422: {
            "description": "No films, too many, or not one of them could be read; then each has its reason.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Answers"}},
                **answers(422)[422]["content"],
            },
        },
        **answers(400, 401, 403, 408, 413, 415, 429, 503),
    },
    summary="Score films",
)
async def predict(request: Request) -> Response:
    """Score one or several films. Each is answered for itself: a film that cannot be read or must not be scored has the
    decision `unsuitable` and its reasons. The films are forgotten; the predictions go on record.
    """
    settings, scorer = request.app.state.settings, request.app.state.scorer
    size = declared_size(request, settings)
    try:
        with scorer.room_for_bytes(size):
            records = await _while_there(request, scorer, await receive(request, settings))
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    names = await run_in_threadpool(_store(request).add, records, source="rest")
    decisions = [record.prediction.decision for record in records]
    for decision in decisions:
        request.app.state.meters.films.labels(decision).inc()
    request.scope["details"]["films"] = {word: decisions.count(word) for word in sorted(set(decisions))}
    status = 422 if all(record.prediction.failed for record in records) else 200
    return JSONResponse(answers_for(names, records).model_dump(mode="json"), status)


@router.get(
    "/v1/predictions/{name}",
    dependencies=[Depends(needs("read"))],
    responses=answers(401, 403, 404, 422, 503),
    summary="Read a prediction",
)
async def read(request: Request, name: Name) -> Answer:
    """A prediction on record. The film's name is not kept; `input_sha256` tells which film it was."""
    record = await _record(request, name)
    return answer(record.id, record.prediction)


@router.get(
    "/v1/predictions/{name}/heatmap.png",
    dependencies=[Depends(needs("read"))],
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **answers(401, 403, 404, 409, 422, 503),
    },
    summary="Read a heat map",
)
async def heat_map(
    request: Request,
    name: Name,
    side: Annotated[int, Query(ge=16, le=2048, description="longer side in pixels")] = 1024,
) -> Response:
    """The map as a transparent PNG in the film's proportions, to be laid over it. It shows where the score came from,
    on a coarse grid; it is not a localisation of disease.
    """
    record = await _record(request, name)
    film = record.prediction.film
    if record.saliency is None or film is None:
        raise Problem(404, "no-map", "This film was not scored, so it has no heat map.")
    if record.prediction.model.sha256 != request.app.state.scorer.template.model.sha256:
        raise Problem(409, "other-model", "Another model made this prediction than the one that is loaded.")
    size = scaled(film.width, film.height, side)
    cells = np.array(record.saliency, np.float32)
    spec = request.app.state.spec.input
    picture = await run_in_threadpool(heat_png, cells, size, spec, strongest=STRONGEST_ALPHA)
    return Response(picture, media_type="image/png")


@router.get("/v1/models", dependencies=[Depends(needs(None))], responses=answers(401, 503), summary="List models")
async def models(request: Request) -> Models:
    """The model that scores films here, its operating points, and how good it is by its card."""
    return Models(models=(model(request.app.state.spec, request.app.state.scorer.template),))


@router.get("/healthz", summary="Is the process alive?")
async def alive() -> State:
    """Answers as long as the event loop turns."""
    return State(status="alive")


@router.get("/readyz", responses=answers(503), summary="Can films be scored?")
async def ready(request: Request) -> State:
    """The model is loaded and the record store answers."""
    await run_in_threadpool(_store(request).check)
    return State(status="ready")


@router.get(
    "/metrics",
    dependencies=[Depends(needs("metrics"))],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **answers(401, 403, 503)},
    summary="Counters for Prometheus",
)
async def metrics(request: Request) -> Response:
    """Requests, seconds, films by decision, batches, memory."""
    return Response(generate_latest(request.app.state.meters.registry), media_type=CONTENT_TYPE_LATEST)


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


async def _record(request: Request, name: str) -> Record:
    record = await run_in_threadpool(_store(request).get, name)
    if record is None:
        raise Problem(404, "unknown", "There is no prediction of this name.")
    return record


async def _while_there(request: Request, scorer: Scorer, films: list[Upload]) -> list[NewRecord]:
    """Score films as long as the client waits for it.

    Raises:
        Problem: 503, it took too long; 429, the queue is full.
        ClientDisconnect: the client has gone; films that wait are left alone.
    """
    work = asyncio.ensure_future(scorer.score(films))
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait(
            {work, gone}, timeout=request.app.state.settings.answer_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if work.done():
            return work.result()
        if gone.done():
            raise ClientDisconnect
        raise Problem(503, "timeout", "The films were not scored in time; send fewer at a time.", {"Retry-After": "30"})
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
