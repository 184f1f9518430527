"""Which arithmetic this machine does fastest."""

from __future__ import annotations

import time
from typing import Literal

import torch

REPEATS = 10


def resolve_precision(wanted: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """The type that convolutions run in.

    ``auto`` takes bfloat16 on a GPU that has it. On a CPU it measures: some execute bfloat16 twice as fast as
    float32, others emulate it at half the speed, and their feature flags do not tell which.
    """
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return _faster()


def _faster() -> torch.dtype:
    layer = torch.nn.Conv2d(192, 192, 3, padding=1, bias=False)
    layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    films = torch.zeros(8, 192, 17, 17).contiguous(memory_format=torch.channels_last)
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(REPEATS):
                for dtype, times in seconds.items():
                    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                        layer(films)  # the first casts the weights
                        # This thread's own time, which does not grow with what else the machine is doing.
                        start = time.thread_time()
                        layer(films)
                        times.append(time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return min(seconds, key=lambda dtype: min(seconds[dtype]))
