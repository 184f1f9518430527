"""From what a user names as data to one cohort."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumoscope.cohorts.cohort import Cohort
from pneumoscope.cohorts.fetch import find_fetched
from pneumoscope.cohorts.folders import folder_table, has_class_folders
from pneumoscope.cohorts.manifest import MANIFEST, check_columns, manifest_table
from pneumoscope.cohorts.npz import npz_table
from pneumoscope.cohorts.presets import PRESETS
from pneumoscope.cohorts.table import few, refuse_duplicates
from pneumoscope.errors import CohortError


def load_cohort(
    data: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    preset: str | None = None,
) -> Cohort:
    """One cohort from one or several sources.

    A source is recognised by what is in it:

    * a PneumoniaMNIST file of any size, or its name (``pneumoniamnist``, ``pneumoniamnist-64``), which is looked
      for in the folder that ``PNEUMOSCOPE_DATA`` names and where ``data fetch`` puts it;
    * a manifest: a table as text, or a folder with ``cases.csv`` (see :func:`manifest_table`);
    * a folder with the official files of NIH ChestX-ray14 or of the RSNA challenge (see :data:`PRESETS`);
    * class folders ``{train,val,test}/{NORMAL,PNEUMONIA}``, or the class folders alone;
    * a folder of DICOM films beside one table of labels, of any name, keyed by file name.

    Args:
        data: files, folders or names.
        columns: for manifests: heading in the file for a column of the case table.
        preset: ``"nih"`` or ``"rsna"``: read every source so, whatever else is in the folder.

    Raises:
        CohortError: a source is missing, broken, of no known kind, or a film occurs twice.
    """
    sources = [data] if isinstance(data, str | Path) else list(data)
    if not sources:
        raise CohortError("no data named; name a file, a folder or a data set")
    if preset is not None and preset not in PRESETS:
        raise CohortError(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    columns = columns or {}
    check_columns(columns)
    loaded = [_load(str(source), columns, preset) for source in sources]
    if columns and not any(kind == "manifest" for kind, _, _ in loaded):
        raise CohortError("columns are mapped, but no source is a table whose columns have names; leave them out")
    cases = pd.concat([table for _, _, table in loaded], ignore_index=True)
    names = list(dict.fromkeys(name for _, name, _ in loaded))
    name = " + ".join(names)
    refuse_duplicates(cases["path"], name)
    return Cohort(cases, name)


def _load(source: str, columns: Mapping[str, str], preset: str | None) -> tuple[str, str, pd.DataFrame]:
    """Kind, name and case table of one source."""
    path = Path(source).expanduser()
    if not path.exists():
        fetched = find_fetched(source)
        if fetched is None:
            raise CohortError(f"{source}: there is no such file or folder; check the path")
        path = fetched
    if path.is_dir():
        return _load_folder(path, columns, preset)
    if preset or path.match("Data_Entry_2017*.csv"):
        return _load_folder(path.parent, columns, preset or "nih")
    if path.suffix.lower() == ".npz" or zipfile.is_zipfile(path):
        return "npz", path.stem, npz_table(path)
    table = manifest_table(path, columns=columns)
    return "manifest", path.resolve().parent.name if path.name == MANIFEST else path.stem, table


def _load_folder(folder: Path, columns: Mapping[str, str], preset: str | None) -> tuple[str, str, pd.DataFrame]:
    name = folder.resolve().name
    if not preset and (folder / MANIFEST).is_file():
        return "manifest", name, manifest_table(folder / MANIFEST, columns=columns)
    for kind, (mark, read) in PRESETS.items():
        if preset == kind or (not preset and any(folder.glob(mark))):
            return kind, name, read(folder)
    if has_class_folders(folder):
        return "folders", name, folder_table(folder)
    tables = sorted(folder.glob("*.csv"))
    if len(tables) == 1 and any(folder.glob("*.dcm")):
        return "manifest", name, manifest_table(tables[0], columns=columns, name=name)
    inside = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in sorted(folder.iterdir())]
    raise CohortError(
        f"{folder}: no data set of a known kind: it holds neither {MANIFEST}, nor class folders NORMAL and PNEUMONIA, "
        f"nor the files of a preset ({', '.join(PRESETS)}), nor DICOM films with one table of labels. "
        f"There is {few(inside, 6) or 'nothing'} in it; name one of these, or write a {MANIFEST}"
    )
