"""De-identification of a site's films: one file or folder in, a folder of films without names out, and a report."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydicom import Dataset, dcmread
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)

from pneumoscope.clinical.durable import write_durably
from pneumoscope.clinical.identity import identity
from pneumoscope.clinical.profile import Done, Profile, Pseudonyms
from pneumoscope.errors import DicomError
from pneumoscope.radiograph._quiet import QUIET
from pneumoscope.radiograph.dicom_header import text

RADIOGRAPHS = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)
"""Objects that come straight from a detector, on which writing is rare enough that silence means none."""
_KEY_BYTES = 32


class FilmDone(BaseModel):
    """What became of one file. ``source`` may itself name a patient: the report stays at the site."""

    source: str
    status: Literal["written", "refused", "failed"]
    reason: str = ""
    result: str | None = Field(None, description="file below the output folder")


class Change(BaseModel):
    """What was done to one attribute, over all films."""

    attribute: str
    change: str
    times: int


class DeidentificationReport(BaseModel):
    """Everything that a run did."""

    files: list[FilmDone]
    changes: list[Change]


def read_key(path: Path) -> bytes:
    """A site's key; made, readable by its owner alone, where there is none.

    Raises:
        DicomError: the file cannot be read or made, or holds no key.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"{secrets.token_hex(_KEY_BYTES)}\n")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise DicomError(f"{path}: no key can be read or made there ({error.strerror}); name another file") from None
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES:
        raise DicomError(f"{path}: holds no key of {_KEY_BYTES} bytes in hexadecimal; name another file")
    return key


def deidentify(
    paths: Iterable[Path],
    out: Path,
    key: bytes,
    *,
    keep_characteristics: bool = False,
    looked_at: bool = False,
    progress: Callable[[int], Any] = lambda done: None,
) -> DeidentificationReport:
    """De-identify DICOM films; each becomes ``PATIENT/STUDY/INSTANCE.dcm`` by its new names.

    Nothing is written of a film that is refused: one that says, or does not deny where it should, that writing is
    burned in, one with graphics inside its pixels, and whatever is no picture.

    Args:
        paths: files.
        out: folder for the results.
        key: see :func:`read_key`; the same key gives the same names and dates.
        keep_characteristics: keep age, sex, size and weight.
        looked_at: somebody has; films that do not deny that writing is burned in are taken for clean.
        progress: called after each file with 1.

    Raises:
        DicomError: the output folder cannot be written.
    """
    profile = Profile(Pseudonyms(key), keep_characteristics=keep_characteristics)
    files, changes = [], Done()
    for path in paths:
        files.append(_one(path, out, profile, changes, looked_at=looked_at))
        progress(1)
    listed = [Change(attribute=name, change=fate, times=times) for (name, fate), times in sorted(changes.items())]
    return DeidentificationReport(files=files, changes=listed)


def _one(path: Path, out: Path, profile: Profile, changes: Done, *, looked_at: bool) -> FilmDone:
    name = str(path).encode("utf-8", "replace").decode()
    with QUIET:
        try:
            film = dcmread(path)
            identity(film, name)  # which asks for valid UIDs
            if why := refusal(film, looked_at=looked_at):
                return FilmDone(source=name, status="refused", reason=why)
            done = profile.apply(film)
            content = BytesIO()
            film.save_as(content, enforce_file_format=True)
        except DicomError as error:
            return FilmDone(source=name, status="failed", reason=str(error).removeprefix(f"{name}: "))
        except Exception as error:  # pydicom raises many kinds for a damaged file
            reason = f"cannot be read as DICOM ({type(error).__name__}); export it again"
            return FilmDone(source=name, status="failed", reason=reason)
    place = Path(str(film.PatientID), str(film.StudyInstanceUID), f"{film.SOPInstanceUID}.dcm")
    try:
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        write_durably(out / place, content.getvalue())
    except OSError as error:
        raise DicomError(f"{out / place}: cannot be written ({error.strerror})") from None
    changes.update(done)
    return FilmDone(source=name, status="written", result=place.as_posix())


def refusal(film: Dataset, *, looked_at: bool = False) -> str | None:
    """Why no de-identification of its header makes a film anonymous; None if it may be done."""
    if "PixelData" not in film:
        return "no picture; reports and other documents are not de-identified here"
    burned = (text(film, "BurnedInAnnotation") or "").upper()
    if burned == "YES":
        return "its header says that writing is burned into the picture; mask it first"
    if burned != "NO" and film.SOPClassUID not in RADIOGRAPHS and not looked_at:
        return "its header does not say that no writing is burned into the picture; look at it, then add --looked-at"
    if (text(film, "RecognizableVisualFeatures") or "").upper() == "YES":
        return "its header says that the patient can be recognised in the picture"
    if any(tag.group & 0xFF00 == 0x6000 and tag.element == 0x0102 and film[tag].value for tag in film.keys()):  # noqa: SIM118
        return "graphics lie in unused bits of its pixels; export it without them"
    return None


def count(report: DeidentificationReport) -> Counter[str]:
    """Files by status."""
    return Counter(film.status for film in report.files)
