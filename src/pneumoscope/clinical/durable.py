"""Files that are on disk, whole, once the call returns."""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(place: Path, content: bytes) -> None:
    """Write a file so that it survives a power cut from here on, and is never seen in part.

    Raises:
        OSError: it cannot be written; nothing is left of it then.
    """
    draft = place.with_name(f".{place.name}.part")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name too must be on disk
    finally:
        os.close(folder)
