"""Which arithmetic this machine does fastest."""

from __future__ import annotations

import time
from typing import Literal

import torch

REPEATS = 5


def resolve_precision(wanted: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """The type that convolutions run in.

    ``auto`` takes bfloat16 on a GPU that has it. On a CPU it measures: some execute bfloat16 twice as fast as
    float32, others emulate it at half the speed, and their feature flags do not tell which.
    """
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return min((torch.float32, torch.bfloat16), key=_seconds_per_convolution)


def _seconds_per_convolution(dtype: torch.dtype) -> float:
    layer = torch.nn.Conv2d(192, 192, 3, padding=1, bias=False)
    layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    films = torch.zeros(8, 192, 17, 17).contiguous(memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        for _ in range(REPEATS):
            start = time.perf_counter()
            layer(films)
            seconds.append(time.perf_counter() - start)
    return min(seconds)
