"""The case table: one row per film, the same columns and types whatever the data came from."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterable
from typing import Any

import pandas as pd

from pneumoscope.errors import CohortError

COLUMNS = ("path", "label", "split", "patient_id", "age", "sex", "view", "source")
"""Columns of every case table; others that a source has are passed through behind these."""

WITHOUT_SPLIT = "all"
"""The split of cases whose source has none; selecting it selects every case."""

LABEL_WORDS = {"normal": 0, "false": 0, "pneumonia": 1, "lung opacity": 1, "true": 1}
"""Words that are labels. Any other word is another finding, for which the label is missing."""

OLDEST = 120
"""Years. NIH ChestX-ray14 has ages up to 414; beyond this an age is a typing error and counts as missing."""

_SPLIT_WORDS = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}
_AGE = re.compile(r"(\d+(?:[.,]\d+)?)\s*([DWMY]?)", re.IGNORECASE)
_PER_YEAR = {"D": 365.25, "W": 52.1775, "M": 12.0, "Y": 1.0, "": 1.0}


def case_table(frame: pd.DataFrame, *, source: str, where: str) -> pd.DataFrame:
    """Bring a table with at least ``path`` to the columns and types of the case table.

    Columns become: ``path`` string; ``label`` Int64 of 1 (pneumonia), 0 (normal) or NA; ``split``,
    ``patient_id``, ``view`` (upper case) and ``source`` string; ``age`` float64 in years, where DICOM's
    ``058Y`` and ``006M`` are understood; ``sex`` string ``F`` or ``M``.

    Args:
        frame: text or numbers, with any of the columns.
        source: stands in the column ``source`` where the frame names none.
        where: the file or folder, for messages.

    Raises:
        CohortError: a number as label that is neither 0 nor 1, labels without one known word, an age that is
            no age.
    """
    text = pd.DataFrame({column: _text(frame, column) for column in COLUMNS}, index=frame.index)
    table = pd.DataFrame(
        {
            "path": text["path"],
            "label": _translate(text["label"], _label, "label", where).astype("Int64"),
            "split": text["split"].str.lower().replace(_SPLIT_WORDS).fillna(WITHOUT_SPLIT),
            "patient_id": text["patient_id"],
            "age": _translate(text["age"], age_in_years, "age", where)
            .astype("Float64")
            .to_numpy(float, na_value=float("nan")),
            "sex": text["sex"].str.upper().str[0].where(lambda sex: sex.isin(["F", "M"])),
            "view": text["view"].str.upper(),
            "source": text["source"].fillna(source),
        },
        index=frame.index,
    )
    if text["label"].notna().any() and table["label"].isna().all():
        words = list(text["label"].dropna().unique())
        raise CohortError(
            f"{where}: none of the labels is known ({few(words)}); labels are 1 or 0, or the words "
            f"{', '.join(sorted(LABEL_WORDS))}"
        )
    extra = frame[[column for column in frame.columns if column not in COLUMNS]]
    return pd.concat([table, extra], axis=1).reset_index(drop=True)


def age_in_years(text: str) -> float | None:
    """Years from ``58``, ``58.5`` or a DICOM age string such as ``058Y``, ``006M``; None beyond a human age.

    Raises:
        ValueError: it is no age.
    """
    match = _AGE.fullmatch(text)
    if not match:
        raise ValueError("an age is a number of years, or a number with D, W, M or Y")
    years = float(match[1].replace(",", ".")) / _PER_YEAR[match[2].upper()]
    return years if years <= OLDEST else None


def refuse_duplicates(paths: pd.Series[Any], where: str) -> None:
    """Make sure that no film is listed twice.

    Raises:
        CohortError: naming the first few that are.
    """
    normal = paths.map(os.path.normpath)
    again = paths[normal.duplicated()].unique()
    if len(again):
        raise CohortError(f"{where}: {len(again)} films are listed more than once: {few(again)}; list each film once")


def in_order(splits: Iterable[Any]) -> list[str]:
    """Different splits: train, val, test, then any others by name."""
    usual = ("train", "val", "test")
    names = {str(split) for split in splits}
    return [split for split in usual if split in names] + sorted(names.difference(usual))


def few(items: Iterable[Any], limit: int = 3) -> str:
    """The first few items as text, and how many more there are."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def _label(word: str) -> int | None:
    word = word.lower()
    try:
        number = float(word)
    except ValueError:
        return LABEL_WORDS.get(word)
    if number in (0.0, 1.0):
        return int(number)
    if number != number:
        return None
    raise ValueError("a label is 1 (pneumonia), 0 (normal) or empty (neither, or unknown)")


def _text(frame: pd.DataFrame, column: str) -> pd.Series[str]:
    if column not in frame:
        return pd.Series(pd.NA, index=frame.index, dtype="string")
    stripped = frame[column].astype("string").str.strip()
    return stripped.mask(stripped == "")


def _translate(texts: pd.Series[str], translate: Any, column: str, where: str) -> pd.Series[Any]:
    # Few different values stand in many rows.
    meanings: dict[Hashable, Any] = {}
    for text in texts.dropna().unique():
        try:
            meanings[text] = translate(text)
        except ValueError as error:
            rows = [row + 1 for row in range(len(texts)) if texts.iloc[row] == text]
            raise CohortError(f"{where}: {column} {text!r} in row {few(rows)}: {error}") from None
    return texts.map(lambda text: pd.NA if text is pd.NA or meanings[text] is None else meanings[text]).astype(object)
