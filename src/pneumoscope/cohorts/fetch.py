"""Downloads that resume where they stopped and are kept only with the right checksum."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pneumoscope.cohorts.registry import DATA_SETS, RemoteFile
from pneumoscope.errors import CohortError, OutputError

DATA_VARIABLE = "PNEUMOSCOPE_DATA"
"""Environment variable that names the folder for data sets."""

Report = Callable[[int, int | None], None]
"""Called with the bytes there are and the bytes there will be, None where the server does not say."""

_ATTEMPTS = 4
_TIMEOUT = 30
_CHUNK = 1 << 18


def data_folder() -> Path:
    """Where data sets are fetched to: what ``PNEUMOSCOPE_DATA`` names, else the user's cache folder."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named else _cache()


def find_fetched(name: str) -> Path | None:
    """The file of a data set's name, such as ``pneumoniamnist`` or ``pneumoniamnist-64``; None for other names.

    Raises:
        CohortError: the name is right, but the file has not been fetched.
    """
    match = re.fullmatch(r"(.+?)(?:-(\d+))?", name)
    data = DATA_SETS.get(match[1]) if match else None
    if match is None or data is None or not data.files:
        return None
    size = int(match[2]) if match[2] else next(iter(data.files))
    remote = _choose(data.name, size)
    places = [folder / remote.name for folder in dict.fromkeys((data_folder(), _cache()))]
    for place in places:
        if place.is_file():
            return place
    raise CohortError(
        f"{name}: {remote.name} is not in {' or '.join(str(place.parent) for place in places)}; "
        f"get it with: pneumoscope data fetch {data.name} --size {size}"
    )


def fetch(
    name: str = "pneumoniamnist", *, size: int = 28, folder: str | Path | None = None, report: Report | None = None
) -> Path:
    """Download a data set, unless it is there already, and check it.

    An interrupted download leaves a ``.part`` file, which the next call goes on with.

    Args:
        name: of a data set in :data:`DATA_SETS` that has files to fetch.
        size: side of the films in pixels.
        folder: to put it in; None takes :func:`data_folder`.
        report: told about the progress.

    Returns:
        The file.

    Raises:
        CohortError: nothing of this name and size can be fetched, no server answers, or what came has another
            checksum, in which case nothing of it is kept.
        OutputError: the folder cannot be written.
    """
    return download(_choose(name, size), Path(folder) if folder else data_folder(), report=report)


def download(remote: RemoteFile, folder: Path, *, report: Report | None = None) -> Path:
    """Download one file into a folder; as :func:`fetch`."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # the progress bar says where it is downloading from
    failures = []
    for url in remote.urls:
        try:
            return Path(
                pooch.retrieve(
                    url,
                    remote.checksum,
                    remote.name,
                    folder,
                    downloader=_Resuming(folder / f"{remote.name}.part", report),
                )
            )
        except requests.RequestException as error:
            failures.append(f"{url}: {_reason(error)}")
        except OSError as error:
            raise OutputError(f"{folder}: {remote.name} cannot be written there ({error.strerror or error})") from None
        except ValueError:
            failures.append(f"{url}: what came has not the checksum {remote.checksum}; it was deleted")
    raise CohortError(
        f"{remote.name} could not be downloaded. {'. '.join(failures)}. Run the command again to go on where it "
        f"stopped, or put the file into {folder} yourself"
    )


class _Resuming:
    """A downloader for pooch. Pooch gives a temporary file; this one's own file outlives a failure."""

    def __init__(self, part: Path, report: Report | None) -> None:
        self._part = part
        self._report = report

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        import requests

        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                self._receive(url)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if not attempts_left:
                    raise
        self._part.replace(output_file)

    def _receive(self, url: str) -> None:
        import requests

        there = self._part.stat().st_size if self._part.exists() else 0
        # Without compression on the way, so that positions are those of the file.
        wanted = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
        with requests.get(url, headers=wanted, stream=True, timeout=_TIMEOUT) as response:
            if there and response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # Nothing is left to come; the checksum decides whether that is true.
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:
                there = 0
            length = response.headers.get("Content-Length")
            total = there + int(length) if length else None
            with self._part.open("ab" if there else "wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    there += len(chunk)
                    if self._report:
                        self._report(there, total)


def _choose(name: str, size: int) -> RemoteFile:
    data = DATA_SETS.get(name)
    if data is None:
        raise CohortError(f"there is no data set {name!r}; there are {', '.join(DATA_SETS)}")
    if not data.files:
        raise CohortError(f"{name}: cannot be fetched for you; get it from {data.url} and name its folder as data")
    if size not in data.files:
        raise CohortError(f"{name}: comes in {', '.join(map(str, data.files))} pixels, not in {size}")
    return data.files[size]


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("pneumoscope"))


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError):
        return str(error).split(" for url")[0]
    return "timed out" if isinstance(error, requests.Timeout) else "no connection, or it broke off"
