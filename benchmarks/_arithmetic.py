"""How much arithmetic a network is, and how much a machine can do, in OpenVINO."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from benchmarks._measure import timed

SIDE, LAYERS = 2048, 4


def operations(model: ov.Model) -> int:
    """Multiplications and additions of one inference in convolutions and matrix products; shapes must be fixed."""
    count = 0
    for node in model.get_ops():
        if node.get_type_name() == "Convolution":
            terms = math.prod(node.input_value(1).shape[1:])  # of the kernel (out, in, rows, columns)
        elif node.get_type_name() == "MatMul":
            terms = node.input_value(0).shape[-1]
        else:
            continue
        count += 2 * math.prod(node.output(0).shape) * terms
    return count


def matrix_product_rate(precision: Literal["bf16", "int8"]) -> float:
    """Operations per second in products of large matrices, each of which feeds the next, on all processors.

    The best of five runs is the machine's limit. PyTorch's int8 product and smaller matrices were slower.
    """
    draw = np.random.default_rng(0)
    first = last = ops.parameter([SIDE, SIDE], np.float32)
    for _ in range(LAYERS):
        weights = ops.constant(draw.standard_normal((SIDE, SIDE), np.float32))
        if precision == "int8":
            # OpenVINO multiplies in int8 where both sides are rounded to a byte's levels.
            last, weights = _rounded(ops.relu(last), 0, 2.55, 256), _rounded(weights, -3, 3, 255)
        last = ops.matmul(last, weights, False, True)
    model = ov.Model([last], [first])
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"}
    requests = ov.AsyncInferQueue(ov.Core().compile_model(model, "CPU", hints))
    values = draw.random((SIDE, SIDE), np.float32)

    def multiply() -> None:
        for _ in range(len(requests)):
            requests.start_async({0: values})
        requests.wait_all()

    return len(requests) * operations(model) / min(timed(multiply).seconds)


def _rounded(x: ov.Node, low: float, high: float, levels: int) -> ov.Node:
    ends = np.float32(low), np.float32(high)
    return ops.fake_quantize(x, *ends, *ends, levels)
