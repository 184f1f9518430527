from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pneumoscope.errors import OutputError
from pneumoscope.output import whole_folder


def test_a_folder_takes_the_place_of_another_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "new/report"
    for text in ("first", "second"):
        with whole_folder(folder) as draft:
            (draft / "a.txt").write_text(text)
            assert not folder.exists() or (folder / "a.txt").read_text() == "first"
        assert (folder / "a.txt").read_text() == text
    assert [path.name for path in folder.parent.iterdir()] == ["report"]
    assert folder.stat().st_mode & 0o077 == folder.parent.stat().st_mode & 0o077, "as readable as any other folder"


def fill_half(folder: Path, error: BaseException) -> None:
    with whole_folder(folder) as draft:
        (draft / "a.txt").write_text("half")
        raise error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_was_there_outlives_a_failure(tmp_path: Path, error: BaseException) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "a.txt").write_text("old")
    with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt):
        fill_half(folder, error)
    assert (folder / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"), whole_folder(tmp_path / "file" / "report"):
        pytest.fail("there is no draft")
