"""What a node has accepted and not yet finished, on disk: a folder with an SQLite database and the files.

A film is in the database before its sender is told of success, and its results are before they are sent, so that a
process may be killed anywhere and the next one goes on. Rows of finished films stay, without patient or picture; they
are how a film that comes twice is known.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple
from uuid import uuid4

from pneumoscope.clinical.durable import write_durably
from pneumoscope.errors import DicomError

DATABASE = "queue.sqlite"
MOST_ATTEMPTS = 10
"""Times that scoring a film may end the process before the film is given up."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS films (
    id INTEGER PRIMARY KEY,
    sop_instance_uid TEXT NOT NULL,
    scorer TEXT NOT NULL,
    caller TEXT NOT NULL,
    file TEXT NOT NULL,
    received REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'scored', 'unsuitable', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    UNIQUE (sop_instance_uid, scorer)
);
CREATE INDEX IF NOT EXISTS films_waiting ON films (state) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY,
    film INTEGER NOT NULL REFERENCES films (id),
    destination TEXT NOT NULL,
    file TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'sent', 'dead')),
    unsure INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    since REAL NOT NULL,
    due REAL NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    UNIQUE (file, destination)
);
CREATE INDEX IF NOT EXISTS deliveries_open ON deliveries (destination, due) WHERE state IN ('waiting', 'sending');
"""


class Film(NamedTuple):
    """A film that waits to be scored."""

    id: int
    file: Path
    attempts: int


class Delivery(NamedTuple):
    """An object that waits to be sent; ``unsure`` where a process ended while it was on its way."""

    id: int
    file: Path
    unsure: bool
    attempts: int
    since: float


class Queue:
    """The queue in a folder, made where it is not there. Safe to use from several threads of one process.

    Args:
        folder: for this queue alone, on a local disk.
        scorer: what scores; a film is scored once by each.

    Raises:
        DicomError: the folder cannot be used.
    """

    def __init__(self, folder: Path, scorer: str) -> None:
        self._folder = folder
        self._scorer = scorer
        self._lock = RLock()
        try:
            for place in (self.films, self.results, self.dead_letters):
                place.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / DATABASE, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")  # a commit is on disk, not on its way there
            self._database.executescript(_SCHEMA)
            self._recover()
        except (OSError, sqlite3.Error) as error:
            raise DicomError(f"{folder}: cannot hold a queue ({error}); name a folder on a local disk") from None

    @property
    def films(self) -> Path:
        """Folder of the films that wait to be scored."""
        return self._folder / "films"

    @property
    def results(self) -> Path:
        """Folder of the objects that wait to be sent."""
        return self._folder / "results"

    @property
    def dead_letters(self) -> Path:
        """Folder of the films that could not be read and the objects that could not be sent."""
        return self._folder / "dead-letters"

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def add(self, sop_instance_uid: str, caller: str, content: bytes) -> bool:
        """Take a film; False if it is here already, unless it failed then. On disk when this returns.

        Raises:
            OSError, sqlite3.Error: it could not be kept.
        """
        known = "SELECT 1 FROM films WHERE sop_instance_uid = ? AND scorer = ? AND state <> 'failed'"
        if self._rows(known, sop_instance_uid, self._scorer):
            return False
        file = self.films / f"{uuid4().hex}.dcm"  # a name of our own: the sender's UID may be anything
        write_durably(file, content)
        insert = (
            "INSERT INTO films (sop_instance_uid, scorer, caller, file, received) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET file = excluded.file, received = excluded.received, state = 'waiting',"
            " attempts = 0, reason = '' WHERE state = 'failed'"
        )
        try:
            with self._transaction() as database:
                added = database.execute(
                    insert, (sop_instance_uid, self._scorer, caller, file.name, time.time())
                ).rowcount
        except sqlite3.Error:
            file.unlink(missing_ok=True)
            raise
        if not added:  # by another association, meanwhile
            file.unlink(missing_ok=True)
        return bool(added)

    def claim(self, most: int) -> list[Film]:
        """The oldest films that wait, at most so many, with one attempt more against each.

        A film in whose company a process ended before comes alone, so that it cannot hurt others again.
        """
        with self._transaction() as database:
            waiting = database.execute(
                "SELECT id, file, attempts FROM films WHERE state = 'waiting' ORDER BY attempts > 0, id LIMIT ?",
                (most,),
            ).fetchall()
            fresh = [row for row in waiting if row[2] == 0] or waiting[:1]
            database.executemany("UPDATE films SET attempts = attempts + 1 WHERE id = ?", [row[:1] for row in fresh])
        return [Film(id, self.films / file, attempts + 1) for id, file, attempts in fresh]

    def scored(self, film: Film, files: Sequence[Path], destinations: Sequence[str]) -> None:
        """Note a film's results, to be sent to each destination."""
        now = time.time()
        with self._transaction() as database:
            database.execute("UPDATE films SET state = 'scored' WHERE id = ?", (film.id,))
            database.executemany(
                "INSERT OR IGNORE INTO deliveries (film, destination, file, since, due) VALUES (?, ?, ?, ?, ?)",
                [
                    (film.id, destination, str(file.relative_to(self.results)), now, now)
                    for destination in destinations
                    for file in files
                ],
            )
        film.file.unlink(missing_ok=True)

    def unsuitable(self, film: Film, reason: str) -> None:
        """Leave a film alone."""
        self._rows("UPDATE films SET state = 'unsuitable', reason = ? WHERE id = ?", reason, film.id)
        film.file.unlink(missing_ok=True)

    def failed(self, film: Film, reason: str) -> None:
        """Put a film aside that cannot be read or scored."""
        if film.file.exists():
            film.file.replace(self.dead_letters / film.file.name)
        self._rows("UPDATE films SET state = 'failed', reason = ? WHERE id = ?", reason, film.id)

    def due(self, destination: str, most: int) -> list[Delivery]:
        """What is to be sent there now, oldest first."""
        rows = self._rows(
            "SELECT id, file, unsure, attempts, since FROM deliveries"
            " WHERE destination = ? AND state = 'waiting' AND due <= ? ORDER BY id LIMIT ?",
            destination,
            time.time(),
            most,
        )
        return [Delivery(id, self.results / file, bool(unsure), *rest) for id, file, unsure, *rest in rows]

    def sending(self, delivery: Delivery) -> None:
        """Note that an object is about to leave."""
        self._rows("UPDATE deliveries SET state = 'sending' WHERE id = ?", delivery.id)

    def sent(self, delivery: Delivery) -> None:
        """Note that the destination has it."""
        self._rows("UPDATE deliveries SET state = 'sent', unsure = 0, reason = '' WHERE id = ?", delivery.id)
        self._forget(delivery)

    def postpone(self, delivery: Delivery, seconds: float, reason: str) -> None:
        """Try again later."""
        self._rows(
            "UPDATE deliveries SET state = 'waiting', attempts = attempts + 1, due = ?, reason = ? WHERE id = ?",
            time.time() + seconds,
            reason,
            delivery.id,
        )

    def give_up(self, delivery: Delivery, reason: str) -> None:
        """Put an object aside that the destination does not take."""
        if delivery.file.exists():
            write_durably(self.dead_letters / delivery.file.name, delivery.file.read_bytes())
        self._rows("UPDATE deliveries SET state = 'dead', reason = ? WHERE id = ?", reason, delivery.id)
        self._forget(delivery)

    def _forget(self, delivery: Delivery) -> None:
        """Remove an object that nobody waits for any more."""
        file = str(delivery.file.relative_to(self.results))
        if not self._rows("SELECT 1 FROM deliveries WHERE file = ? AND state IN ('waiting', 'sending')", file):
            delivery.file.unlink(missing_ok=True)

    def _recover(self) -> None:
        """Put right what a killed process left: objects on their way, films without a row, rows without need."""
        self._rows("UPDATE deliveries SET state = 'waiting', unsure = 1, due = 0 WHERE state = 'sending'")
        wanted = {file for (file,) in self._rows("SELECT file FROM films WHERE state = 'waiting'")}
        for file in self.films.iterdir():
            if file.name not in wanted:
                file.unlink()
        wanted = {file for (file,) in self._rows("SELECT file FROM deliveries WHERE state IN ('waiting', 'sending')")}
        for file in self.results.rglob("*.dcm*"):
            if str(file.relative_to(self.results)) not in wanted:
                file.unlink()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()
