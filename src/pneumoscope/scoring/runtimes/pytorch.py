"""Runs the network with PyTorch: on a GPU, or as the reference that other engines are held against."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pneumoscope.bundle import Bundle
from pneumoscope.scoring.runtime import Batch, Scores
from pneumoscope.scoring.runtimes.precision import Precision

NAMES: dict[Precision, Literal["auto", "float32", "bfloat16"]] = {"auto": "auto", "f32": "float32", "bf16": "bfloat16"}


class TorchRuntime:
    """Runs the network with PyTorch.

    Args:
        bundle: the trained model.
        device: a PyTorch device; ``"auto"`` is the GPU where there is one, else the CPU.
        precision: ``"f32"``; ``"bf16"`` runs convolutions and products in bfloat16; ``"auto"`` takes bfloat16 on a
            GPU that has it and measures on a CPU.

    Raises:
        BundleError: the weights are missing, damaged or do not fit.
    """

    def __init__(self, bundle: Bundle, *, device: str = "auto", precision: Precision = "f32") -> None:
        import torch

        from pneumoscope.training.hardware import resolve_precision

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = torch.device(device)
        self._lower = resolve_precision(NAMES[precision], self._device) == torch.bfloat16
        self._network = bundle.network().to(self._device).channels_last()
        self.name = f"torch {torch.__version__} {self._device} {'bf16' if self._lower else 'f32'}"

    def run(self, batch: Batch) -> Scores:
        """Score a batch (N, 1, S, S): uint8, or float32 in [0, 1]."""
        import torch

        films = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
        films = films.float() / 255 if films.dtype == torch.uint8 else films
        films = films.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._lower):
            explained = self._network.explain(films)
        return Scores(*(part.float().cpu().numpy() for part in explained))
