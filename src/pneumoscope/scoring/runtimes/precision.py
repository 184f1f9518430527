"""Which arithmetic this processor does fastest under OpenVINO."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from openvino import Core

Precision = Literal["auto", "f32", "bf16"]
"""Number format of convolutions and products: float32, bfloat16, or whichever is faster here."""
REPEATS = 5


def resolve_precision(wanted: Precision, core: Core) -> Literal["f32", "bf16"]:
    """The number format to run in.

    ``auto`` measures one convolution in each, where the processor has bfloat16 at all: some execute it twice as
    fast as float32, others emulate it at half the speed, and their feature flags do not tell which.
    """
    if wanted != "auto":
        return wanted
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "f32"
    return _faster()


@cache
def _faster() -> Literal["f32", "bf16"]:
    import openvino as ov
    from openvino import opset13 as ops

    films = ops.parameter([1, 192, 17, 17], np.float32)
    kernel = ops.constant(np.zeros((192, 192, 3, 3), np.float32))
    model = ov.Model([ops.convolution(films, kernel, [1, 1], [1, 1], [1, 1], [1, 1])], [films])
    film = np.zeros((1, 192, 17, 17), np.float32)
    seconds: dict[Literal["f32", "bf16"], float] = {}
    for precision in ("f32", "bf16"):
        request = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision}).create_infer_request()
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            request.infer([film])
            times.append(time.perf_counter() - started)
        seconds[precision] = min(times)
    return min(seconds, key=lambda precision: seconds[precision])
