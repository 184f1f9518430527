"""What a node's spool folder tells of its work, whether the node runs or not."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from pathlib import Path

from pydantic import BaseModel, Field

from pneumoscope.clinical.queue import DATABASE
from pneumoscope.errors import DicomError


class DestinationStatus(BaseModel):
    """Objects for one destination."""

    destination: str
    waiting: int = 0
    sent: int = 0
    dead: int = 0
    oldest_waiting_s: float | None = None
    last_reason: str = Field("", description="why the latest try failed, of those that wait or were given up")


class NodeStatus(BaseModel):
    """A node's work so far; no patient is named."""

    running: bool
    waiting: int = Field(description="films that wait to be scored")
    scored: int
    unsuitable: int = Field(description="films that were left alone")
    failed: int = Field(description="films that could not be read; they lie in dead-letters/")
    oldest_waiting_s: float | None
    destinations: tuple[DestinationStatus, ...]


def node_status(spool: Path) -> NodeStatus:
    """Read a spool folder.

    Raises:
        DicomError: it is none, or cannot be read.
    """
    if not (spool / DATABASE).is_file():
        raise DicomError(f"{spool}: no node has worked here; name its --spool folder")
    now = time.time()
    try:
        database = sqlite3.connect(f"{(spool / DATABASE).resolve().as_uri()}?mode=ro", uri=True)
        try:
            states = dict(database.execute("SELECT state, COUNT(*) FROM films GROUP BY state"))
            (oldest,) = database.execute("SELECT MIN(received) FROM films WHERE state = 'waiting'").fetchone()
            rows = database.execute(
                "SELECT destination, SUM(state IN ('waiting', 'sending')), SUM(state = 'sent'), SUM(state = 'dead'),"
                " MIN(CASE WHEN state IN ('waiting', 'sending') THEN since END) FROM deliveries GROUP BY destination"
            ).fetchall()
            reasons = dict(
                database.execute(
                    "SELECT destination, reason FROM deliveries WHERE reason <> '' AND state <> 'sent' ORDER BY due"
                )
            )
        finally:
            database.close()
    except sqlite3.Error as error:
        raise DicomError(f"{spool / DATABASE}: cannot be read ({error})") from None
    return NodeStatus(
        running=_locked(spool),
        waiting=states.get("waiting", 0),
        scored=states.get("scored", 0),
        unsuitable=states.get("unsuitable", 0),
        failed=states.get("failed", 0),
        oldest_waiting_s=None if oldest is None else round(now - oldest, 1),
        destinations=tuple(
            DestinationStatus(
                destination=destination,
                waiting=waiting,
                sent=sent,
                dead=dead,
                oldest_waiting_s=None if since is None else round(now - since, 1),
                last_reason=reasons.get(destination, ""),
            )
            for destination, waiting, sent, dead, since in rows
        ),
    )


def _locked(spool: Path) -> bool:
    try:
        with (spool / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
