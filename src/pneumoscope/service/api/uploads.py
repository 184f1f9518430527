"""Films out of a request: counted, timed, and never on a disk."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from pneumoscope.service.api.problems import Problem
from pneumoscope.service.api.settings import MIB, Settings

_LONGEST_NAME = 255


@dataclass(frozen=True)
class Upload:
    """A film as it was sent."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()


class _InMemory(MultiPartParser):
    """Keeps the parts in memory, where the library would write large ones to a temporary file."""

    spool_max_size = 1 << 62


def declared_size(request: Request, settings: Settings) -> int:
    """Bytes that the request says it has, or may have where it does not say.

    Raises:
        Problem: 413, too many; 415, not multipart.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise Problem(415, "not-multipart", "Send the films as multipart/form-data, each as a part named films.")
    text = request.headers.get("content-length", "")
    size = int(text) if text.isascii() and text.isdigit() else settings.body
    if size > settings.body:
        raise _too_large(settings)
    return size


async def receive(request: Request, settings: Settings) -> list[Upload]:
    """The films of a request.

    Raises:
        Problem: 408, it came too slowly; 413, too many bytes; 400, not what multipart should be; 422, no films, or too
            many of them.
        ClientDisconnect: the client has gone.
    """
    parser = _InMemory(request.headers, _bounded(request, settings), max_files=settings.films + 1, max_fields=8)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            raise _too_many(settings) from None
        raise Problem(400, "bad-multipart", f"The body is no valid multipart/form-data: {error.message}") from None
    try:
        files = [part for part in form.getlist("films") if isinstance(part, UploadFile)]
        if not files:
            raise Problem(422, "no-films", "There is no film in the request: send each as a file part named films.")
        if len(files) > settings.films:
            raise _too_many(settings)
        return [Upload(safe_name(part.filename), await part.read()) for part in files]
    finally:
        await form.close()


def safe_name(given: str | None) -> str:
    """A file's name without folders and without what a terminal or a page might take for something else."""
    name = (given or "").replace("\\", "/").rpartition("/")[2]
    name = "".join(sign for sign in name.encode("utf-8", "replace").decode() if sign.isprintable())
    return name[:_LONGEST_NAME].strip() or "film"


async def _bounded(request: Request, settings: Settings) -> AsyncGenerator[bytes, None]:
    """The body, as long as it is not too long and does not take too long."""
    size, stream = 0, request.stream()
    deadline = asyncio.get_running_loop().time() + settings.body_seconds
    try:
        while True:
            async with asyncio.timeout_at(deadline):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            size += len(chunk)
            if size > settings.body:
                raise _too_large(settings)
            yield chunk
    except TimeoutError:
        detail = f"The request was not complete after {settings.body_seconds:g} seconds."
        raise Problem(408, "too-slow", detail, {"Connection": "close"}) from None


def _too_large(settings: Settings) -> Problem:
    detail = f"The request is larger than {settings.body / MIB:g} MiB; send fewer films at a time."
    return Problem(413, "too-large", detail, {"Connection": "close"})


def _too_many(settings: Settings) -> Problem:
    return Problem(422, "too-many-films", f"At most {settings.films} films go into one request; send several.")
