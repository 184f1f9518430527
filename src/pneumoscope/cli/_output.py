"""What the verbs share: where results go, how they look, and that nothing is half-written or overwritten."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pneumoscope.errors import OutputError, PneumoscopeError

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_OF_PIPES = 160
"""Columns of a table that goes to a file or another program."""


def console(*, stderr: bool = False) -> Console:
    """Rich output; into a pipe it is plain, and wide enough not to cut file names."""
    from rich.console import Console

    result = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not result.is_terminal:
        result.width = max(result.width, WIDTH_OF_PIPES)
    return result


def counted(number: int, noun: str) -> str:
    """``1 film``, ``2 films``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def print_json(document: Any) -> None:
    """One JSON document on standard output, in ASCII, so that no terminal's encoding can break it."""
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Make sure that nothing is overwritten that the user did not offer.

    Raises:
        OutputError: there is a file, or a folder with something in it, and ``overwrite`` is off.
    """
    if overwrite:
        return
    if path.is_dir():
        if any(path.iterdir()):
            raise OutputError(f"{path}: this folder is not empty; name another one, or add --overwrite")
    elif path.exists():
        raise OutputError(f"{path}: exists already; name another file, or add --overwrite")


def require_extra(extra: str, *modules: str) -> None:
    """Make sure that an optional part is installed, before any work is done.

    Raises:
        PneumoscopeError: it is not.
    """
    for module in modules:
        if find_spec(module) is None:
            raise PneumoscopeError(f'{module} is not installed; run pip install "pneumoscope[{extra}]"')


def make_folder(path: Path) -> Path:
    """The folder, made if it is not there.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: this folder cannot be made ({error.strerror})") from None
    return path


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A place beside ``path`` to write to; it becomes ``path`` at the end, and goes away if the work fails.

    Raises:
        OutputError: the place cannot be written.
    """
    place = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield place
            place.replace(path)
        finally:
            place.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None
