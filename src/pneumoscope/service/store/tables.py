"""The tables of the store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, Index, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class _Utc(TypeDecorator[datetime]):
    """Times with their zone, on databases that keep none as well."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base class of the tables."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, datetime: _Utc}  # noqa: RUF012 (SQLAlchemy's way)


class PredictionRow(Base):
    """One prediction. ``document`` is the whole of it; the columns are what is searched and counted by."""

    __tablename__ = "predictions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    created: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(32))
    decision: Mapped[str] = mapped_column(String(16))
    probability: Mapped[float | None]
    failed: Mapped[bool]
    model: Mapped[str] = mapped_column(String(128))
    model_sha256: Mapped[str] = mapped_column(String(64))
    input_sha256: Mapped[str | None] = mapped_column(String(64))
    patient_key: Mapped[str | None] = mapped_column(String(64))
    document: Mapped[dict[str, Any]]
    saliency: Mapped[list[Any] | None]
    verdicts: Mapped[list[VerdictRow]] = relationship(
        order_by="VerdictRow.id", cascade="all, delete-orphan", passive_deletes=True, lazy="raise"
    )

    __table_args__ = (
        Index("ix_predictions_created", "created"),
        Index("ix_predictions_input_sha256", "input_sha256"),
        Index("ix_predictions_patient_key", "patient_key"),
    )


class VerdictRow(Base):
    """What a reviewer said of a prediction. Nothing is overwritten; a reviewer's last word counts."""

    __tablename__ = "verdicts"

    id: Mapped[int] = mapped_column(primary_key=True)
    prediction_id: Mapped[str] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime]
    reviewer: Mapped[str] = mapped_column(String(128))
    verdict: Mapped[str] = mapped_column(String(16))
    comment: Mapped[str] = mapped_column(Text)


class KeyRow(Base):
    """A key of the REST service; of the key itself there is only its SHA-256."""

    __tablename__ = "api_keys"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), index=True)
    scopes: Mapped[list[Any]]
    created: Mapped[datetime]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
