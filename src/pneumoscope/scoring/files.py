"""From the files and folders that a user names to a list of films."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.errors import ImageError

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom", ".dic"))
"""Names that are taken for films without a look inside."""

_MAGIC = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"II*\x00",
    b"MM\x00*",
    b"BM",
    b"\x08\x00",  # a DICOM data set without preamble: group 0008, little endian
    b"\x02\x00",  # a file meta group without preamble
)


@dataclass(frozen=True)
class Films:
    """Films in the order in which they are scored, and the files that were passed over."""

    files: tuple[Path, ...]
    skipped: tuple[Path, ...]


def find_films(sources: Iterable[Path]) -> Films:
    """Expand folders, recursively and sorted; files that are named one by one are taken as they are.

    Inside a folder a file counts as a film by its name, or else by its first bytes; everything else
    (tables, notes, hidden files) is skipped. A film that is named twice is taken once.

    Raises:
        ImageError: a source does not exist or cannot be listed, or there is no film in any of them.
    """
    files: dict[Path, None] = {}
    skipped: dict[Path, None] = {}
    sources = tuple(sources)
    for source in sources:
        if source.is_dir():
            for path in _walk(source):
                (files if _is_film(path) else skipped).setdefault(path)
        elif source.is_file():
            files.setdefault(source)
        elif source.exists():
            raise ImageError(f"{source}: neither a file nor a folder; name films on disk", code="not-a-file")
        else:
            raise ImageError(f"{source}: no such file or folder; check the name", code="missing")
    if not files:
        places = ", ".join(map(str, sources))
        raise ImageError(f"{places}: no films here; name image or DICOM files, or a folder with some", code="no-films")
    return Films(tuple(files), tuple(path for path in skipped if path not in files))


def films_in(folder: Path) -> Iterator[Path]:
    """The films of a folder, recursively and sorted by name folder by folder, found one after another.

    Raises:
        ImageError: a folder cannot be listed.
    """
    return (path for path in _walk(folder) if _is_film(path))


def _walk(folder: Path) -> Iterator[Path]:
    def forbidden(error: OSError) -> None:
        raise ImageError(f"{error.filename}: cannot be listed ({error.strerror}); check its rights", code="forbidden")

    for place, folders, names in os.walk(folder, onerror=forbidden):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names))


def _is_film(path: Path) -> bool:
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return False
    return head[128:] == b"DICM" or head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
