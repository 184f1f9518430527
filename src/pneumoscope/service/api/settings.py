"""How much the REST service takes on."""

from __future__ import annotations

from dataclasses import dataclass, field

from pneumoscope.radiograph import Limits

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Bounds that keep one client from taking the service from all others."""

    authentication: bool = True
    """Whether requests need a key. Without, only requests to a loopback name are answered."""
    body: int = 100 * MIB
    """Bytes of one request."""
    films: int = 16
    """Films of one request."""
    limits: Limits = field(default_factory=lambda: Limits(size=100 * MIB, pixels=40_000_000))
    """Of one film. A digital chest film has 4 to 16 million pixels."""
    bodies: int = 512 * MIB
    """Bytes of all requests that are being received or answered."""
    queue: int = 64
    """Films that wait or are being scored."""
    batch: int = 4
    """Films scored at a time, where so many wait."""
    body_seconds: float = 30
    """For a client to send its request."""
    answer_seconds: float = 60
    """For the films of a request to be scored."""
    shutdown_seconds: int = 60
    """For accepted work to be finished after SIGTERM."""
    connections: int = 256
    """Open at a time; more are answered 503."""
