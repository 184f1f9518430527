"""What the frozen stages make of the films, computed once and kept on disk."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pneumoscope.errors import TrainingError
from pneumoscope.training.frozen import FrozenStages

BATCH = 32


class Activations:
    """Activations of V views of N films on disk, (V, N, …) float16, of which only what is asked for is read.

    The file is mapped anew for each batch: pages of a mapping that stayed would count as the process's memory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shape: tuple[int, ...] = self._mapped().shape

    def __getitem__(self, index: Any) -> npt.NDArray[np.float16]:
        return np.asarray(self._mapped()[index])

    def _mapped(self) -> npt.NDArray[np.float16]:
        return np.load(self._path, mmap_mode="r")


def cache_activations(
    stages: FrozenStages,
    films: npt.NDArray[np.uint8],
    path: Path,
    *,
    views: int,
    augment: Callable[[Tensor], Tensor],
    seed: int,
    progress: Callable[[int], Any],
) -> Activations:
    """Compute the activations that enter the first trained stage, unless they are there.

    The first view of each film is the film itself; the others are augmented. The file appears under its name
    only when it is whole; a call that was killed half-way is taken up where it was, with the same result.

    Args:
        stages: compute the activations.
        films: (1, N, S, S) uint8.
        path: where to keep the ``.npy`` file.
        progress: called with the number of films done since the last call.

    Returns:
        (views, N, C, h, w), or (views, N, 2048) where the whole trunk is frozen.

    Raises:
        TrainingError: the disk is full; what was computed is kept.
    """
    if path.exists():
        return Activations(path)
    count = films.shape[1]

    def activations(view: int, rows: slice) -> npt.NDArray[np.float16]:
        torch.manual_seed((seed * views + view) * count + rows.start)  # a batch's own, so that a resumed call agrees
        batch = torch.from_numpy(films[0, rows]).to(stages.device)[:, None].float() / 255
        return stages(batch if view == 0 else augment(batch))

    draft = path.with_suffix(".part")
    with torch.inference_mode():
        film = activations(0, slice(0, 1))
        header = _header((views, count, *film.shape[1:]))
        try:
            # Written front to back: a full disk is then an error, whereas it kills a process that writes to a mapping.
            with draft.open("ab") as file:
                if not file.tell():
                    file.write(header)
                there = (file.tell() - len(header)) // film.nbytes
                for view in range(views):
                    for start in range(0, count, BATCH):
                        rows = slice(start, min(start + BATCH, count))
                        if view * count + rows.stop > there:
                            file.truncate(len(header) + (view * count + start) * film.nbytes)
                            file.write(activations(view, rows).tobytes())
                        progress(rows.stop - rows.start)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise TrainingError(
                f"{path}: the cache of activations cannot be written ({error.strerror}); make room and give the same "
                "command again, it goes on from there"
            ) from None
    return Activations(path)


def _header(shape: tuple[int, ...]) -> bytes:
    """The front of an ``.npy`` file of float16."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f2", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
