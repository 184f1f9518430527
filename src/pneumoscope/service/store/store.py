"""The record store."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from pneumoscope.errors import StoreError
from pneumoscope.scoring import Prediction
from pneumoscope.service.store.database import connect, migrate, reported
from pneumoscope.service.store.keys import Keys
from pneumoscope.service.store.privacy import Pseudonyms, without_identity
from pneumoscope.service.store.records import LONGEST_COMMENT, NewRecord, Record, Verdict, VerdictWord
from pneumoscope.service.store.tables import PredictionRow, VerdictRow

STATE_VARIABLE = "PNEUMOSCOPE_STATE"
RECORDS = "records.sqlite"
SECRET = "patient.key"
_DIGITS = 5
"""Of a cell of the saliency map."""


def state_folder() -> Path:
    """Where records and the secret of patient keys lie: ``PNEUMOSCOPE_STATE``, else the user's data folder."""
    from platformdirs import user_data_path

    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named else user_data_path("pneumoscope", appauthor=False)


class Store:
    """Predictions and verdicts in SQLite or PostgreSQL.

    Neither pixels nor names are kept: the film is known by its SHA-256, the patient by a keyed hash. Methods may be
    called from several threads, and several processes may share a database.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql://…``; a SQLite file in ``state`` if None.
        state: folder of the secret of patient keys; :func:`state_folder` if None.
        keep_names: keep file names and what the header says too.

    Raises:
        StoreError: the database is away or of a newer version, or the secret cannot be read.
    """

    def __init__(self, url: str | None = None, *, state: Path | None = None, keep_names: bool = False) -> None:
        folder = state or state_folder()
        self._engine = connect(url or f"sqlite:///{(folder / RECORDS).absolute()}")
        try:
            migrate(self._engine)
            self._pseudonyms = Pseudonyms(folder / SECRET)
        except StoreError:
            self._engine.dispose()
            raise
        self._keep_names = keep_names
        self.keys = Keys(self._engine)

    @property
    def place(self) -> str:
        """The database's URL without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    def add(self, records: Sequence[NewRecord], *, source: str) -> list[str]:
        """Keep predictions, all or none of them; returns the name of each.

        Args:
            records: the predictions.
            source: where they were asked for, such as ``rest``.

        Raises:
            StoreError: the store does not answer; nothing was kept.
        """
        rows = [self._row(record, source) for record in records]
        names = [row.id for row in rows]
        with reported(self._engine), Session(self._engine) as session, session.begin():
            session.add_all(rows)
        return names

    def get(self, name: str) -> Record | None:
        """The record of that name, or None.

        Raises:
            StoreError: the store does not answer.
        """
        with reported(self._engine), Session(self._engine) as session:
            row = session.get(PredictionRow, name, options=[selectinload(PredictionRow.verdicts)])
            return _record(row) if row else None

    def records(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        decision: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Record]:
        """Records in the order of their time, read a few hundred at a time.

        Args:
            since: the first moment that counts.
            until: the first moment that does not count any more.
            decision: only those with this decision.
            newest_first: turn the order round.
            limit: at most so many.

        Raises:
            StoreError: the store does not answer.
        """
        query: Select[Any] = select(PredictionRow).options(selectinload(PredictionRow.verdicts))
        if since:
            query = query.where(PredictionRow.created >= since)
        if until:
            query = query.where(PredictionRow.created < until)
        if decision:
            query = query.where(PredictionRow.decision == decision)
        order = (PredictionRow.created, PredictionRow.id)
        query = query.order_by(*(column.desc() for column in order) if newest_first else order).limit(limit)
        with reported(self._engine), Session(self._engine) as session:
            for row in session.scalars(query.execution_options(yield_per=500)):
                yield _record(row)

    def judge(self, name: str, *, reviewer: str, verdict: VerdictWord, comment: str = "") -> Verdict:
        """Add a reviewer's verdict on a prediction. What was said before is kept; the last word counts.

        Raises:
            StoreError: there is no such prediction, reviewer or comment are not fit to be kept, or the store does
                not answer.
        """
        reviewer, comment = reviewer.strip(), comment.strip()
        if not reviewer or len(reviewer) > 128:
            raise StoreError("a verdict needs its reviewer, in at most 128 characters")
        if len(comment) > LONGEST_COMMENT:
            raise StoreError(f"the comment has {len(comment)} characters; at most {LONGEST_COMMENT} are kept")
        said = Verdict(created=datetime.now(UTC), reviewer=reviewer, verdict=verdict, comment=comment)
        with reported(self._engine):
            try:
                with Session(self._engine) as session, session.begin():
                    session.add(VerdictRow(prediction_id=name, **said.model_dump()))
            except IntegrityError:
                raise StoreError(f"{name}: there is no prediction of this name") from None
        return said

    def check(self) -> None:
        """Ask the database for an answer.

        Raises:
            StoreError: there is none.
        """
        with reported(self._engine), self._engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _row(self, record: NewRecord, source: str) -> PredictionRow:
        kept = record.prediction if self._keep_names else without_identity(record.prediction)
        cells = record.saliency
        return PredictionRow(
            id=secrets.token_hex(16),
            created=datetime.now(UTC),
            source=source,
            decision=kept.decision,
            probability=kept.probability,
            failed=kept.failed,
            model=kept.model.name,
            model_sha256=kept.model.sha256,
            input_sha256=kept.input_sha256,
            patient_key=self._pseudonyms.key(record.patient_id),
            document=kept.model_dump(mode="json"),
            saliency=None if cells is None else [[round(float(cell), _DIGITS) for cell in row] for row in cells],
        )


def _record(row: PredictionRow) -> Record:
    return Record(
        id=row.id,
        created=row.created,
        source=row.source,
        patient_key=row.patient_key,
        prediction=Prediction.model_validate(row.document),
        saliency=None if row.saliency is None else tuple(map(tuple, row.saliency)),
        verdicts=tuple(
            Verdict(created=said.created, reviewer=said.reviewer, verdict=said.verdict, comment=said.comment)
            for said in row.verdicts
        ),
    )
