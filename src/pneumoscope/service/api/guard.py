"""What happens to every request: headers, log, counters, and no answer to pages of other sites."""

from __future__ import annotations

import secrets
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoscope.service.api.logs import LOGGER, log
from pneumoscope.service.api.meters import Meters
from pneumoscope.service.api.problems import Problem

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
GONE = 499
"""Status in log and counters of a request whose client left before the answer, as nginx writes it."""


class Guard:
    """ASGI middleware around the whole application.

    Args:
        app: the application.
        meters: counts requests.
        loopback_only: answer only requests for a loopback name. A page of another site can make a browser send
            requests to this machine, but not under such a name once it has its own name pointed here.
    """

    def __init__(self, app: ASGIApp, meters: Meters, *, loopback_only: bool) -> None:
        self._app = app
        self._meters = meters
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, name = perf_counter(), GONE, secrets.token_hex(8)
        details = scope["details"] = {}

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for key, value in HEADERS.items():
                    headers[key] = value
                headers["X-Request-ID"] = name
            await send(message)

        try:
            if refusal := self._refusal(Headers(scope=scope)):
                await refusal.response()(scope, receive, dressed)
            else:
                await self._app(scope, receive, dressed)
        except Exception as error:
            # Let through, it would be logged with its message, which may quote what was sent.
            fields = {"fields": {"request": name}}
            LOGGER.error("request failed", exc_info=(type(error), error, error.__traceback__), extra=fields)
            if status == GONE:
                detail = f"The service failed at this request; its log says where, under {name}."
                await Problem(500, "internal", detail).response()(scope, receive, dressed)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            method = scope["method"] if scope["method"] in METHODS else "other"
            seconds = perf_counter() - started
            self._meters.requests.labels(method, route, str(status)).inc()
            self._meters.seconds.labels(route).observe(seconds)
            log(
                "request",
                request=name,
                method=method,
                route=route,
                status=status,
                ms=round(1000 * seconds, 1),
                **details,
            )

    def _refusal(self, headers: Headers) -> Problem | None:
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return Problem(403, "cross-site", "Pages of other sites may not use this service.")
        if self._loopback_only and _host(headers.get("host", "")) not in LOOPBACK:
            return Problem(421, "wrong-host", "Without keys the service answers to localhost alone.")
        return None


def _host(header: str) -> str:
    """The host of ``Host``, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
