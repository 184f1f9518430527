"""The node: films come in from peers, are scored, and their reports and overlays go out to destinations."""

from __future__ import annotations

import fcntl
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from time import time
from traceback import extract_tb
from types import TracebackType

from pneumoscope import __version__
from pneumoscope.clinical.identity import named_uid, read_identity
from pneumoscope.clinical.peers import Destination, PeerError, Sender, Tls, association, checked_aet
from pneumoscope.clinical.queue import MOST_ATTEMPTS, Delivery, Film, Queue
from pneumoscope.clinical.receiver import Others, Receiver
from pneumoscope.clinical.results import results_of, write_results
from pneumoscope.errors import DicomError, PneumoscopeError
from pneumoscope.scoring import Predictor, Scored

LOCK = "lock"
_TOGETHER = 50
"""Objects sent over one association."""

log = logging.getLogger("pneumoscope.node")


@dataclass(frozen=True)
class NodeSettings:
    """Everything about a node but its model."""

    aet: str
    spool: Path
    port: int = 11112
    host: str = "127.0.0.1"
    destinations: tuple[Destination, ...] = ()
    allowed: tuple[str, ...] = ()
    others: Others = "accept"
    tls: Tls | None = None
    operating_point: str | None = None
    """The predictor's, by name; a film that comes again for another one is scored again."""
    batch_size: int = 8
    give_up_after: float = 72 * 3600
    """Seconds after which an object that a destination does not take is put aside."""
    first_wait: float = 2
    """Seconds before the second try; each further wait is twice as long, up to :attr:`longest_wait`."""
    longest_wait: float = 600
    idle: float = field(default=0.5, repr=False)
    """Seconds between looks at an empty queue."""


class Node:
    """Runs from ``with`` to the end of the block, in threads of this process.

    Args:
        settings: names, places and times.
        predictor: scores the films.

    Raises:
        DicomError: a title is none, the spool folder or the port is in use, or cannot be used.
    """

    def __init__(self, settings: NodeSettings, predictor: Predictor) -> None:
        for title in (settings.aet, *settings.allowed):
            checked_aet(title)
        self._settings = settings
        self._predictor = predictor
        self._stop = Event()
        try:
            settings.spool.mkdir(parents=True, exist_ok=True)
            self._lock = (settings.spool / LOCK).open("w")
        except OSError as error:
            raise DicomError(f"{settings.spool}: cannot be used ({error.strerror}); name another --spool") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise DicomError(f"{settings.spool}: another node works here; give each its own --spool") from None
        self._queue = Queue(settings.spool, _scorer(settings, predictor))
        self._threads = [Thread(target=self._repeat, args=(self._score_waiting,), name="score")]
        for destination in settings.destinations:
            worker = Thread(target=self._repeat, args=(self._send_due, destination), name=f"send {destination}")
            self._threads.append(worker)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._receiver.port

    def __enter__(self) -> Node:
        settings = self._settings
        try:
            self._receiver = Receiver(
                self._queue,
                aet=settings.aet,
                address=(settings.host, settings.port),
                allowed=settings.allowed,
                others=settings.others,
                tls=settings.tls,
            )
        except DicomError:
            self._queue.close()
            self._lock.close()
            raise
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, finish what is being scored and sent at this moment, and leave the rest in the queue."""
        self._stop.set()
        self._receiver.close()
        for thread in self._threads:
            thread.join()
        self._queue.close()
        self._lock.close()

    def _repeat(self, work: Callable[..., bool], *arguments: object) -> None:
        """Work until the node stops; whatever goes wrong is logged and tried again."""
        while not self._stop.is_set():
            try:
                busy = work(*arguments)
            except (OSError, sqlite3.Error, PneumoscopeError) as error:
                log.error("%s: %s", type(error).__name__, error)
                busy = False
            except Exception as error:  # a thread that ended here would be missed by nobody
                place = extract_tb(error.__traceback__)[-1]  # its message could hold a header's values
                log.error("%s in %s, line %s", type(error).__name__, place.filename, place.lineno)
                busy = False
            if not busy:
                self._stop.wait(self._settings.idle)

    def _score_waiting(self) -> bool:
        films = self._queue.claim(self._settings.batch_size)
        for film in [film for film in films if film.attempts > MOST_ATTEMPTS]:
            log.error("failed: film %d: scoring it ended the process %d times", film.id, MOST_ATTEMPTS)
            self._queue.failed(film, f"scoring it ended the process {MOST_ATTEMPTS} times")
            films.remove(film)
        paths = [film.file for film in films]
        for film, scored in zip(films, self._predictor.predict_files(paths, keep_films=True), strict=True):
            self._finish(film, scored)
        return bool(films)

    def _finish(self, film: Film, scored: Scored) -> None:
        prediction = scored.prediction
        why = " ".join(reason.code for reason in prediction.reasons)  # sentences may quote the header
        if prediction.failed:
            log.error("failed: film %d: %s", film.id, why)
            self._queue.failed(film, why)
        elif prediction.probability is None:
            log.info("left alone: film %d: %s", film.id, why)
            self._queue.unsuitable(film, why)
        else:
            try:
                identity = read_identity(film.file)
            except DicomError as error:
                log.error("failed: film %d: %s", film.id, error)
                self._queue.failed(film, str(error))
                return
            files = write_results(results_of(scored, self._predictor.spec.input, identity), self._queue.results)
            self._queue.scored(film, files, [str(destination) for destination in self._settings.destinations])
            log.info("scored: film %d", film.id)

    def _send_due(self, destination: Destination) -> bool:
        due = self._queue.due(str(destination), _TOGETHER)
        if not due:
            return False
        unsure = any(delivery.unsure for delivery in due)
        try:
            with association(self._settings.aet, destination, self._settings.tls, ask=unsure) as sender:
                for delivery in due:
                    if not self._stop.is_set():
                        self._deliver(sender, delivery)
        except PeerError as error:
            log.warning("not sent: %d objects to %s: %s", len(due), destination, error)
            for delivery in self._queue.due(str(destination), _TOGETHER):
                self._later(delivery, str(error))
        return True

    def _deliver(self, sender: Sender, delivery: Delivery) -> None:
        if not (delivery.unsure and sender.holds(delivery.file)):
            self._queue.sending(delivery)
            try:
                sender.send(delivery.file)
            except PeerError as error:
                log.warning("not sent: object %d: %s", delivery.id, error)
                self._later(delivery, str(error))
                return
        self._queue.sent(delivery)
        log.info("sent: object %d", delivery.id)

    def _later(self, delivery: Delivery, reason: str) -> None:
        settings = self._settings
        if time() - delivery.since > settings.give_up_after:
            log.error("given up: object %d: %s", delivery.id, reason)
            self._queue.give_up(delivery, reason)
        else:
            wait = min(settings.longest_wait, settings.first_wait * 2.0 ** min(delivery.attempts, 30))
            self._queue.postpone(delivery, wait, reason)


def _scorer(settings: NodeSettings, predictor: Predictor) -> str:
    """What tells one way of scoring from another: weights, operating point, version."""
    spec = predictor.spec
    point = spec.operating_point(settings.operating_point)
    return named_uid("scorer", spec.name, spec.weights_sha256, __version__, point.name, repr(point.threshold))


def destinations_of(texts: Sequence[str]) -> tuple[Destination, ...]:
    """Each destination once.

    Raises:
        DicomError: one of them is none.
    """
    return tuple(dict.fromkeys(Destination.parse(text) for text in texts))
