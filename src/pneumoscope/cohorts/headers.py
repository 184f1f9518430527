"""What a DICOM film's header says about the patient, for tables that do not."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from pneumoscope.radiograph import Metadata
from pneumoscope.radiograph.dicom_header import read_header

_COLUMNS = ("patient_id", "age", "sex", "view")
_WORKERS = 8


def fill_from_headers(table: pd.DataFrame) -> pd.DataFrame:
    """A case table whose missing patients, ages, sexes and views are those in the headers of its DICOM films.

    A header that cannot be read leaves them missing; reading the film will say why.
    """
    dicom = table["path"].str.lower().str.endswith((".dcm", ".dicom"))
    rows = table.index[dicom & table[list(_COLUMNS)].isna().any(axis=1)]
    if not len(rows):
        return table
    with warnings.catch_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        warnings.simplefilter("ignore")  # pydicom warns of each odd value; they all end as missing
        headers = list(pool.map(_header, table.loc[rows, "path"]))
    filled = table.copy()
    for column in _COLUMNS:
        found = pd.Series([getattr(header, column) for header in headers], index=rows, dtype=table[column].dtype)
        filled[column] = table[column].fillna(found)
    return filled


def _header(path: str) -> Metadata:
    import pydicom

    try:
        return read_header(pydicom.dcmread(path, stop_before_pixels=True, force=True))()
    except Exception:  # a damaged header raises whatever its bytes lead to
        return Metadata()
