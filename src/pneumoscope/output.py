"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pneumoscope.errors import OutputError


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes its name, and the place of what has it, only when all went well.

    Raises:
        OutputError: the place cannot be written, also while the folder is filled; what was there is still there.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from None
    fresh, former = draft / "new", draft / "old"
    try:
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.rename(former)
        fresh.rename(folder)
    except OSError as error:
        if former.exists() and not folder.exists():
            former.rename(folder)
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
