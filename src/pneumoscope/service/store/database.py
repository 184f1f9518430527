"""Connections to SQLite or PostgreSQL, and bringing a database to this version's tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from pneumoscope.errors import StoreError

WAIT = 10
"""Seconds for another writer, or for a database server, before it counts as away."""
_LOCK = 0x706E65756D6F
"""Number of the lock under which PostgreSQL databases are migrated."""


def connect(text: str) -> Engine:
    """An engine for ``sqlite:///FILE`` or ``postgresql://…``; nothing is opened yet.

    Raises:
        StoreError: the URL is not understood, or is of another kind of database.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise StoreError(f"{text}: no URL of a database; give sqlite:///FILE or postgresql://USER@HOST/NAME") from None
    kind = url.get_backend_name()
    try:
        if kind == "sqlite":
            return _sqlite(url)
        if kind == "postgresql":
            return create_engine(
                url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, connect_args={"connect_timeout": WAIT}
            )
    except NoSuchModuleError:
        pass
    except ModuleNotFoundError:
        raise StoreError(
            f'{kind}: its driver is not installed; install it with: pip install "pneumoscope[postgres]"'
        ) from None
    raise StoreError(f"{kind}: this kind of database is not supported; use sqlite or postgresql")


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise StoreError("sqlite: name a file, such as sqlite:///records.sqlite")
    try:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{url.database}: its folder cannot be made ({error.strerror})") from None
    engine = create_engine(url, connect_args={"timeout": WAIT})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver's own handling of transactions skips those of DDL
        for pragma in ("journal_mode = WAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        alone = connection.get_execution_options().get("alone", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if alone else "BEGIN")

    return engine


@contextmanager
def reported(engine: Engine) -> Iterator[None]:
    """Turns what the database says into one sentence without the values of the statement.

    Raises:
        StoreError: anything that the database raised.
    """
    try:
        yield
    except SQLAlchemyError as error:
        place = engine.url.render_as_string(hide_password=True)
        cause = error.orig if isinstance(error, DBAPIError) else error
        # The first line says what is wrong; the others may quote values.
        what = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise StoreError(f"{place}: the record store does not answer ({what}); check the database") from None


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to a revision: ``head`` is this version's, ``base`` removes them with all that is in them.

    Several processes may do this at once; one works and the others wait.

    Raises:
        StoreError: the database is away, or was made by a newer version.
    """
    config = Config()
    config.set_main_option("script_location", "pneumoscope.service.store:migrations")
    config.set_main_option("path_separator", "os")
    with reported(engine), engine.connect().execution_options(alone=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        config.attributes["connection"] = connection
        # Towards head only what is missing is done; another revision than head may lie in either direction.
        go = command.upgrade if revision == "head" else command.downgrade
        try:
            go(config, revision)
        except CommandError:
            newest = ScriptDirectory.from_config(config).get_current_head()
            place = engine.url.render_as_string(hide_password=True)
            raise StoreError(
                f"{place}: its tables are of a newer Pneumoscope than this, which knows those up to {newest}; upgrade"
            ) from None
