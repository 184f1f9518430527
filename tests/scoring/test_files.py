from __future__ import annotations

from pathlib import Path

import pytest

from pneumoscope.errors import ImageError
from pneumoscope.scoring import find_films


def _touch(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_folder_is_searched_in_order_by_name_and_by_content(tmp_path: Path) -> None:
    films = [
        _touch(tmp_path / "b.PNG"),
        _touch(tmp_path / "no-suffix", bytes(128) + b"DICM"),
        _touch(tmp_path / "odd.img", b"\xff\xd8\xff\xe0"),
        _touch(tmp_path / "photo.x", b"RIFF1234WEBP"),
        _touch(tmp_path / "sub" / "a.dcm"),
    ]
    others = [_touch(tmp_path / name, b"text") for name in (".hidden.png", "DICOMDIR", "cases.csv", "notes")]
    found = find_films([tmp_path])
    assert found.files == tuple(films)
    assert set(found.skipped) == set(others)


def test_named_file_is_taken_whatever_it_is_and_only_once(tmp_path: Path) -> None:
    table = _touch(tmp_path / "cases.csv", b"text")
    film = _touch(tmp_path / "a.png")
    found = find_films([film, table, tmp_path])
    assert found.files == (film, table)


def test_missing_source(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file or folder") as caught:
        find_films([tmp_path / "nowhere"])
    assert caught.value.code == "missing"


def test_folder_without_films(tmp_path: Path) -> None:
    _touch(tmp_path / "readme.txt")
    with pytest.raises(ImageError, match="no films here"):
        find_films([tmp_path])
