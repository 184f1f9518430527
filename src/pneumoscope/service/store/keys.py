"""Keys of the REST service: random, kept as a hash, with scopes, an end and rotation."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from pneumoscope.errors import StoreError
from pneumoscope.service.store.database import reported
from pneumoscope.service.store.tables import KeyRow

Scope = Literal["predict", "read", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""``predict``: score films. ``read``: read predictions and heat maps. ``metrics``: read the service's counters."""
PREFIX = "pns_"
_BYTES = 32


class ApiKey(BaseModel):
    """What is known of a key; the key itself is not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    scopes: tuple[Scope, ...]
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    fingerprint: str = Field(description="first 12 digits of the key's SHA-256")

    @property
    def valid(self) -> bool:
        """Whether it opens anything now."""
        return self.revoked is None and (self.expires is None or self.expires > datetime.now(UTC))


class Keys:
    """The keys in a store.

    A key has 256 random bits, so that a plain SHA-256 of it cannot be turned round by trying; slow password hashes
    are for secrets that people choose.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, name: str, scopes: Sequence[Scope], *, lifetime: timedelta | None = None) -> str:
        """Make a key and return it; it is shown this once.

        Raises:
            StoreError: a valid key has that name, or the store does not answer.
        """
        if any(key.name == name and key.valid for key in self.list()):
            raise StoreError(f"{name}: there is a valid key of this name; rotate it, or name another")
        return self._insert(name, scopes, lifetime)

    def rotate(self, name: str, *, grace: timedelta, lifetime: timedelta | None = None) -> str:
        """Make a new key with the scopes of the old one, which stays valid for ``grace`` at most.

        Raises:
            StoreError: there is no valid key of that name, or the store does not answer.
        """
        old = [key for key in self.list() if key.name == name and key.valid]
        if not old:
            raise StoreError(f"{name}: there is no valid key of this name; see: pneumoscope keys list")
        end = datetime.now(UTC) + grace
        fresh = self._insert(name, old[-1].scopes, lifetime)
        mine = KeyRow.sha256 != _hash(fresh)
        outlives = (KeyRow.expires.is_(None)) | (KeyRow.expires > end)
        with reported(self._engine), Session(self._engine) as session, session.begin():
            session.execute(update(KeyRow).where(KeyRow.name == name, mine, outlives).values(expires=end))
        return fresh

    def revoke(self, name: str) -> int:
        """End all keys of that name at once; returns how many were valid.

        Raises:
            StoreError: there is no valid key of that name, or the store does not answer.
        """
        valid = [key for key in self.list() if key.name == name and key.valid]
        if not valid:
            raise StoreError(f"{name}: there is no valid key of this name; see: pneumoscope keys list")
        with reported(self._engine), Session(self._engine) as session, session.begin():
            session.execute(
                update(KeyRow).where(KeyRow.name == name, KeyRow.revoked.is_(None)).values(revoked=datetime.now(UTC))
            )
        return len(valid)

    def find(self, key: str) -> ApiKey | None:
        """The valid key that this is, or None.

        Raises:
            StoreError: the store does not answer.
        """
        with reported(self._engine), Session(self._engine) as session:
            row = session.get(KeyRow, _hash(key))
            found = _known(row) if row else None
        return found if found and found.valid else None

    def list(self) -> list[ApiKey]:
        """All keys there ever were, oldest first."""
        with reported(self._engine), Session(self._engine) as session:
            return [_known(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created))]

    def _insert(self, name: str, scopes: Sequence[Scope], lifetime: timedelta | None) -> str:
        key, now = PREFIX + secrets.token_urlsafe(_BYTES), datetime.now(UTC)
        row = KeyRow(
            sha256=_hash(key), name=name, scopes=list(scopes), created=now, expires=now + lifetime if lifetime else None
        )
        with reported(self._engine), Session(self._engine) as session, session.begin():
            session.add(row)
        return key


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _known(row: KeyRow) -> ApiKey:
    return ApiKey(
        name=row.name,
        scopes=tuple(row.scopes),
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
        fingerprint=row.sha256[:12],
    )
