"""Answers to what went wrong, as RFC 9457 has them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from pneumoscope.errors import StoreError

MEDIA_TYPE = "application/problem+json"
STORE_RETRY = 5
"""Seconds after which to ask again where the record store is away."""


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="short stable word for programs")
    detail: str = Field(description="what is wrong and what to do")


class Problem(Exception):
    """A request that gets an answer of its own instead of a result."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The answer."""
        title = HTTPStatus(self.status).phrase
        document = ProblemDocument(title=title, status=self.status, code=self.code, detail=self.detail)
        return JSONResponse(document.model_dump(), self.status, self.headers, MEDIA_TYPE)


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The part of an operation's description that names these statuses."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Answer every foreseen error of the application in this form."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(StoreError)
    async def store(_: Request, __: StoreError) -> JSONResponse:
        detail = "The record store does not answer, and no prediction goes out that is not on record. Try again."
        return Problem(503, "store-away", detail, {"Retry-After": str(STORE_RETRY)}).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Problem(422, "invalid", f"{where}: {first['msg']}").response()

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        code = HTTPStatus(error.status_code).name.lower().replace("_", "-")
        return Problem(error.status_code, code, str(error.detail), error.headers).response()
