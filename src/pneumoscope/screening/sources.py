"""From what a user names as an archive to the names of its films, one after another."""

from __future__ import annotations

import csv
import glob
import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pneumoscope.errors import CohortError, ScreeningError
from pneumoscope.scoring import films_in
from pneumoscope.scoring.files import SUFFIXES

MANIFESTS = frozenset((".csv", ".tsv", ".txt"))
MAGIC = frozenset("*?[")


def is_url(name: str) -> bool:
    """Whether a film or an archive is reached through fsspec: ``s3://…``, ``https://…``, ``file://…``."""
    return "://" in name


def film_names(source: str, *, column: str = "path") -> Iterator[str]:
    """Names of the films of an archive, in an order that does not change while the archive does not.

    Args:
        source: a folder, searched through; a pattern (``**`` crosses folders); one film; a table (``.csv``,
            ``.tsv``) or a list (``.txt``, one a line) of films, relative to its own place; or the URL of any of
            these. Behind a URL films are known by their suffix alone.
        column: of the table that names the films.

    Raises:
        CohortError: there is no such place or column.
        ImageError: a folder cannot be listed.
        ScreeningError: a server does not answer, or fsspec is not installed.
    """
    names = _remote(source, column) if is_url(source) else _local(source, column)
    return iter(dict.fromkeys(names) if _suffix(source) in MANIFESTS else names)


def _local(source: str, column: str) -> Iterable[str]:
    place = Path(source)
    if place.is_dir():
        return map(str, films_in(place))
    if place.is_file():
        if _suffix(source) not in MANIFESTS:
            return [source]
        try:
            lines = place.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CohortError(f"{source}: cannot be read as a table of UTF-8 text ({error})") from None
        return (name if is_url(name) else str(place.parent / name) for name in _listed(source, lines, column))
    if MAGIC & set(source):
        return sorted(path for path in glob.iglob(source, recursive=True) if Path(path).is_file())
    raise CohortError(f"{source}: no such file or folder, and no pattern; check the name")


def _remote(source: str, column: str) -> Iterable[str]:
    fsspec = require_fsspec()
    try:
        system, path = fsspec.core.url_to_fs(source)
        if MAGIC & set(path):
            found = system.glob(path)
        elif _suffix(path) in MANIFESTS:
            with system.open(path, "rb") as file:
                lines = file.read().decode("utf-8-sig")
            folder = source.rsplit("/", 1)[0]
            return [name if is_url(name) else f"{folder}/{name}" for name in _listed(source, lines, column)]
        elif _suffix(path) in SUFFIXES:
            found = [path]
        else:
            found = system.find(path)
    except Exception as error:  # every protocol has failures of its own
        if is_missing(error):
            raise CohortError(f"{source}: there is nothing of this name; check it") from None
        raise ScreeningError(f"{source}: cannot be listed ({type(error).__name__}: {error})") from None
    return (_url(system, name) for name in sorted(found) if _suffix(name) in SUFFIXES)


def _url(system: Any, name: str) -> str:
    return name if is_url(name) else str(system.unstrip_protocol(name))


def _listed(source: str, text: str, column: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    if _suffix(source) == ".txt":
        return [line.strip() for line in lines]
    divider = max(",;\t", key=lines[0].count) if lines else ","
    rows = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=divider)
    if column not in (rows.fieldnames or ()):
        there = ", ".join(itertools.islice(rows.fieldnames or ("none",), 20))
        raise CohortError(f"{source}: has no column {column!r}; name another with --column; there are {there}")
    return [row[column].strip() for row in rows if (row[column] or "").strip()]


def _suffix(name: str) -> str:
    return PurePosixPath(name.split("?")[0] if is_url(name) else name).suffix.lower()


def is_missing(error: BaseException) -> bool:
    """Whether a server said that there is no such file. fsspec says so too of a web server that does not answer."""
    if not isinstance(error, FileNotFoundError):
        return False
    cause = error.__cause__
    status = getattr(cause, "status", None)
    if status is not None:
        return status in (404, 410)
    return not (isinstance(cause, OSError) or type(cause).__module__.startswith("aiohttp"))


def require_fsspec() -> Any:
    """The library.

    Raises:
        ScreeningError: it is not installed.
    """
    try:
        import fsspec
    except ImportError:
        raise ScreeningError("URLs need fsspec; install it with: pip install 'pneumoscope[screen]'") from None
    return fsspec
