from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pneumoscope.errors import CohortError, ScreeningError
from pneumoscope.screening import film_names


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two films in folders, a note, and lists of the films."""
    for name in ("b/2.png", "a/1.jpeg", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "list.txt").write_text("b/2.png\n\na/1.jpeg\nb/2.png\n")
    (tmp_path / "list.csv").write_text("number;film\n1;b/2.png\n2;https://host/3.png\n")
    return tmp_path


@pytest.fixture
def server(archive: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=archive)) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_folder_pattern_film_and_lists(archive: Path) -> None:
    films = [str(archive / "a/1.jpeg"), str(archive / "b/2.png")]
    assert list(film_names(str(archive))) == films
    assert list(film_names(f"{archive}/**/*.*g")) == films
    assert list(film_names(films[0])) == films[:1]
    assert list(film_names(str(archive / "list.txt"))) == films[::-1], "each once, in the list's order"
    assert list(film_names(str(archive / "list.csv"), column="film")) == [films[1], "https://host/3.png"]


def test_urls(archive: Path, server: str) -> None:
    assert [Path(name).name for name in film_names(f"file://{archive}")] == ["1.jpeg", "2.png"]
    assert list(film_names(f"{server}/a/*.jpeg")) == [f"{server}/a/1.jpeg"]
    assert list(film_names(f"{server}/a/1.jpeg")) == [f"{server}/a/1.jpeg"]
    assert list(film_names(f"{server}/list.txt")) == [f"{server}/b/2.png", f"{server}/a/1.jpeg"]


def test_memory_store_through_the_same_road() -> None:
    """Any protocol of fsspec; an object store is another of them."""
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for name in ("/archive/x/2.dcm", "/archive/1.png", "/archive/readme.md"):
        store.pipe(name, b"x")
    try:
        assert list(film_names("memory://archive")) == ["memory:///archive/1.png", "memory:///archive/x/2.dcm"]
    finally:
        store.rm("/archive", recursive=True)


def test_what_is_not_there(archive: Path) -> None:
    with pytest.raises(CohortError, match="no such file or folder"):
        film_names(str(archive / "nowhere"))
    with pytest.raises(CohortError, match=r"no column 'path'.*there are number, film"):
        film_names(str(archive / "list.csv"))
    with pytest.raises(ScreeningError, match="cannot be listed"):
        film_names("no-such-protocol://x/y")
    with pytest.raises(ScreeningError, match="cannot be listed"):
        film_names("http://127.0.0.1:1/list.txt")
