"""A data set described by a table in a text file: one row per film, columns under any names."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumoscope.cohorts.headers import fill_from_headers
from pneumoscope.cohorts.npz import split_npz_path
from pneumoscope.cohorts.table import COLUMNS, case_table, few, refuse_duplicates
from pneumoscope.errors import CohortError

MANIFEST = "cases.csv"
"""The manifest of a folder that has one."""

_ALIASES = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path"),
    "label": ("label", "target", "class"),
    "split": ("split", "subset"),
    "patient_id": ("patient_id", "patient", "subject_id"),
    "age": ("age", "patient_age"),
    "sex": ("sex", "gender", "patient_sex", "patient_gender"),
    "view": ("view", "view_position"),
    "source": ("source",),
}
"""Headings that are understood without being mapped, in lower case with ``_`` for spaces."""


def manifest_table(file: Path, *, columns: Mapping[str, str] | None = None, name: str | None = None) -> pd.DataFrame:
    """The case table of a manifest.

    The first line has the headings; cells are divided by comma, semicolon or tabulator. Paths are relative to
    the manifest's folder; a film may be named without its ``.dcm``. What the table lacks of patient, age, sex
    and view is taken from the headers of DICOM films.

    Args:
        file: the manifest.
        columns: heading in the file for a column of the case table, such as ``{"path": "Image Index"}``.
        name: stands in the column ``source`` where the manifest has none.

    Raises:
        CohortError: it cannot be read, has no column of paths or no rows, lists a film twice or one that is
            not there, or its values are none (see :func:`case_table`).
    """
    frame = read_table(file)
    frame = _renamed(frame, columns or {}, file)
    if "path" not in frame:
        raise CohortError(
            f"{file}: which column names the films? Map it as path=HEADING; there are {few(frame.columns, 20)}"
        )
    if not len(frame):
        raise CohortError(f"{file}: has a heading but no rows")
    source = name or (file.resolve().parent.name if file.name == MANIFEST else file.stem)
    table = case_table(frame, source=source, where=str(file))
    if table["path"].isna().any():
        rows = [row + 1 for row in table.index[table["path"].isna()]]
        raise CohortError(f"{file}: no film is named in row {few(rows)}")
    table["path"] = pd.array(_found(table["path"].tolist(), file), dtype="string")
    refuse_duplicates(table["path"], str(file))
    return fill_from_headers(table)


def read_table(file: Path) -> pd.DataFrame:
    """A delimited text file, every cell as text and empty cells missing.

    Raises:
        CohortError: it is missing, no text, or its rows have different numbers of cells.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            heading = lines.readline()
        divider = max(",;\t", key=heading.count)
        return pd.read_csv(file, sep=divider, dtype="string", encoding="utf-8-sig", index_col=False)
    except FileNotFoundError:
        raise CohortError(f"{file}: there is no such file") from None
    except pd.errors.EmptyDataError:
        raise CohortError(f"{file}: is empty") from None
    except (UnicodeDecodeError, pd.errors.ParserError, csv.Error, OSError) as error:
        raise CohortError(f"{file}: cannot be read as a table of comma-separated UTF-8 text ({error})") from None


def _renamed(frame: pd.DataFrame, columns: Mapping[str, str], file: Path) -> pd.DataFrame:
    headings = {str(heading).strip().lower().replace(" ", "_"): str(heading) for heading in reversed(frame.columns)}
    chosen = {}
    for column, aliases in _ALIASES.items():
        found = [headings[alias] for alias in aliases if alias in headings]
        if column in columns:
            if columns[column] not in frame:
                raise CohortError(f"{file}: has no column {columns[column]!r}; there are {few(frame.columns, 20)}")
            chosen[column] = columns[column]
        elif found and found[0] not in columns.values():
            chosen[column] = found[0]
    # A heading that another column took the name of is kept under a name of its own.
    aside = {column: f"{column}_in_file" for column in chosen if column in frame and chosen[column] != column}
    rest = frame.drop(columns=list(set(chosen.values()))).rename(columns=aside)
    rest = rest.apply(_typed)
    return pd.concat(
        [frame[[heading]].set_axis([column], axis=1) for column, heading in chosen.items()] + [rest], axis=1
    )


def _typed(texts: pd.Series[str]) -> pd.Series[str] | pd.Series[float]:
    """Numbers where every cell is one, such as a column of the user's own."""
    try:
        return pd.to_numeric(texts)
    except ValueError:
        return texts


def _found(names: Sequence[str], file: Path) -> list[str]:
    paths, missing = [], []
    for name in names:
        path = os.path.join(file.parent, name)
        inside = split_npz_path(path)
        with_suffix = f"{path}.dcm"
        if os.path.isfile(inside[0] if inside else path):
            paths.append(path)
        elif os.path.isfile(with_suffix):
            paths.append(with_suffix)
        else:
            missing.append(name)
    if missing:
        raise CohortError(
            f"{file}: {len(missing)} of {len(names)} films are not there: {few(missing)}; "
            f"paths are relative to {file.parent}"
        )
    return paths


def check_columns(columns: Mapping[str, str]) -> None:
    """Make sure that a mapping is of columns there are.

    Raises:
        CohortError: it is not.
    """
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown:
        raise CohortError(f"there is no column {few(unknown)} to map; the case table has {', '.join(COLUMNS)}")
