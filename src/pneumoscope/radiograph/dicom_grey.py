"""DICOM's grey-scale chain: stored values to presentation values (PS3.3 C.11.1, C.11.2, C.11.6, C.7.5.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from pneumoscope.radiograph.dicom_header import number, text
from pneumoscope.radiograph.film import Pixels

Values = npt.NDArray[Any]


def grey_chain(stored: Values, dataset: Dataset) -> tuple[Pixels, list[str]]:
    """Grey pixels in [0, 1], air dark, and the steps taken.

    Without VOI LUT and window, stored values of up to 8 bits are scaled by the range of their bits, deeper ones
    from the smallest to the largest that occurs, padding left out.

    Args:
        stored: (H, W) stored values of one frame.
        dataset: its header.
    """
    padding = _padding(stored, dataset)
    bits = int(number(dataset, "BitsStored") or 8 * stored.dtype.itemsize)
    lowest = -(2 ** (bits - 1)) if stored.dtype.kind == "i" else 0
    span = np.array([lowest, lowest + 2**bits - 1], np.float64)
    known = bits <= 8  # whether span is what a viewer would show
    steps = [f"{bits} bits stored"]

    values: Values = stored
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    if dataset.get("ModalityLUTSequence"):
        values, table = _look_up(values, dataset.ModalityLUTSequence[0], dataset)
        known = False
        steps.append(f"Modality LUT of {len(table)} entries")
    elif slope is not None and intercept is not None and (slope, intercept) != (1, 0):
        values = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        span = np.sort(span * slope + intercept)
        steps.append(f"rescaled by {slope:g} · value + {intercept:g}")

    if dataset.get("VOILUTSequence"):
        values, table = _look_up(values, dataset.VOILUTSequence[0], dataset)
        pixels = _scale(values, float(table.min()), float(table.max()))
        steps.append(f"VOI LUT of {len(table)} entries, scaled by its range {table.min():g} … {table.max():g}")
    elif window := _window(dataset):
        centre, width, function = window
        pixels = apply_window(values, centre, width, function)
        steps.append(f"window {centre:g} / {width:g} ({function}), scaled by its range")
    elif known:
        pixels = _scale(values, *span)
        steps.append(f"no window: scaled by the range of its bits {span[0]:g} … {span[1]:g}")
    else:
        shown = values if padding is None or padding.all() else values[~padding]
        low, high = float(shown.min()), float(shown.max())
        pixels = _scale(values, low, high)
        steps.append(f"no window: scaled by the values that occur {low:g} … {high:g}")

    # MONOCHROME1 goes with the shape INVERSE, and the two together mean one inversion (PS3.3 C.8.11.3.1.2).
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        pixels = 1 - pixels
        steps.append("inverted (MONOCHROME1)")
    elif text(dataset, "PresentationLUTShape") == "INVERSE":
        pixels = 1 - pixels
        steps.append("inverted (Presentation LUT Shape INVERSE)")
    if padding is not None and padding.any():
        pixels[padding] = 0
        steps.append("padding set to black")
    return pixels, steps


def apply_window(values: Values, centre: float, width: float, function: str) -> Pixels:
    """A window's output in [0, 1] (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Args:
        values: (H, W), after the Modality LUT.
        centre: of the window.
        width: of the window; at least 1 for ``LINEAR``, above 0 otherwise.
        function: ``LINEAR``, ``LINEAR_EXACT`` or ``SIGMOID``.
    """
    values = values.astype(np.float32)
    if function == "SIGMOID":
        return np.asarray(0.5 + 0.5 * np.tanh(np.float32(2 / width) * (values - np.float32(centre))), np.float32)
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return (values > centre).astype(np.float32)
    return _scale(values, centre - width / 2, centre + width / 2)


def _window(dataset: Dataset) -> tuple[float, float, str] | None:
    """Centre, width and function of the first window; None where there is none, or none that is valid."""
    centre, width = number(dataset, "WindowCenter"), number(dataset, "WindowWidth")
    function = (text(dataset, "VOILUTFunction") or "LINEAR").upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        function = "LINEAR"
    if centre is None or width is None or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    return centre, width, function


def _look_up(values: Values, item: Dataset, dataset: Dataset) -> tuple[Pixels, Pixels]:
    """The values mapped by an item of a LUT sequence, and its table (PS3.3 C.11.1.1.1)."""
    entries, first, _ = (int(value) for value in item.LUTDescriptor)
    entries = entries or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
        table = np.frombuffer(data, f"{order}u2" if len(data) >= 2 * entries else "u1")
    else:
        table = np.atleast_1d(np.asarray(data))
    table = table[:entries].astype(np.float32)
    within = np.clip(np.rint(values.astype(np.float32)), first, first + len(table) - 1)
    return table[within.astype(np.int32) - first], table


def _padding(stored: Values, dataset: Dataset) -> npt.NDArray[np.bool_] | None:
    """Where the picture was filled up to a rectangle (PS3.3 C.7.5.1.1.2)."""
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    return np.asarray((stored >= low) & (stored <= high))


def _scale(values: Values, low: float, high: float) -> Pixels:
    """Values from low to high brought to [0, 1]; all of one value become black."""
    scaled: Pixels = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low if high > low else 1)
    return np.clip(scaled, 0, 1)
