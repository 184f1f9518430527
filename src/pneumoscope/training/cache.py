"""What the frozen stages make of the films, computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pneumoscope.errors import TrainingError
from pneumoscope.network import PneumoniaNet

BATCH = 32


def cache_activations(
    network: PneumoniaNet,
    films: npt.NDArray[np.uint8],
    path: Path,
    *,
    views: int,
    augment: Callable[[Tensor], Tensor],
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    progress: Callable[[int], Any],
) -> npt.NDArray[np.float16]:
    """Activations that enter the first trained stage, memory-mapped.

    The first view of each film is the film itself; the others are augmented. The file appears under its name
    only when it is whole, so a run killed half-way computes it again and a finished one is used as it is.

    Args:
        network: decides by its frozen stages where the activations are taken; kept in inference mode.
        films: (1, N, S, S) uint8.
        path: where to keep the ``.npy`` file.
        progress: called with the number of films done since the last call.

    Returns:
        (views, N, C, h, w), or (views, N, 2048) where the whole trunk is frozen; float16, read only.

    Raises:
        TrainingError: the disk is full.
    """
    if path.exists():
        return np.load(path, mmap_mode="r")
    draft = path.with_suffix(".part.npy")
    store: np.memmap[Any, Any] | None = None
    count = films.shape[1]
    network.eval()
    try:
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            for view in range(views):
                torch.manual_seed(seed + view)
                for start in range(0, count, BATCH):
                    rows = slice(start, min(start + BATCH, count))
                    batch = torch.from_numpy(films[0, rows]).to(device)[:, None].float() / 255
                    batch = batch if view == 0 else augment(batch)
                    values = network.encode(batch.contiguous(memory_format=torch.channels_last), network.entry)
                    activations = values.half().cpu().numpy()
                    if store is None:
                        shape = (views, count, *activations.shape[1:])
                        store = np.lib.format.open_memmap(draft, mode="w+", dtype=np.float16, shape=shape)
                    store[view, rows] = activations
                    progress(rows.stop - rows.start)
        assert store is not None  # a cohort has at least one film
        store.flush()
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise TrainingError(f"{path}: the cache of activations cannot be written ({error.strerror})") from None
    return np.load(path, mmap_mode="r")
