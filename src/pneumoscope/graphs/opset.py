"""The network's layers as an OpenVINO model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from pneumoscope.graphs.layers import INPUT, Array

FILMS = -1
"""A dimension that is left open: the number of films."""


class OpenVinoWriter:
    """Writes an :class:`openvino.Model`; its nodes are OpenVINO's."""

    def films(self, size: int) -> Any:
        self._input = ops.parameter([FILMS, 1, size, size], np.uint8, name=INPUT)
        return ops.convert(self._input, np.float32)

    def convolution(self, x: Any, kernel: Array, bias: Array, *, stride: int, same: bool, name: str) -> Any:
        pads = [side // 2 if same else 0 for side in kernel.shape[2:]]
        raw = ops.convolution(
            x, ops.constant(kernel, shared_memory=True), [stride, stride], pads, pads, [1, 1], name=name
        )
        return ops.relu(ops.add(raw, ops.constant(bias[None, :, None, None])))

    def max_pool(self, x: Any) -> Any:
        return ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3]).output(0)

    def average_pool(self, x: Any) -> Any:
        return ops.avg_pool(x, [1, 1], [1, 1], [1, 1], [3, 3], exclude_pad=True)

    def concat(self, parts: Sequence[Any]) -> Any:
        return ops.concat(list(parts), 1)

    def cells(self, x: Any) -> int:
        rows, columns = (x.get_output_partial_shape(0)[axis].get_length() for axis in (2, 3))
        return int(rows * columns)

    def mean(self, x: Any) -> Any:
        return ops.reduce_mean(x, np.array([2, 3]), keep_dims=False)

    def dense(self, x: Any, weight: Array, bias: Array | None = None) -> Any:
        product = ops.matmul(x, ops.constant(weight), False, True)
        return product if bias is None else ops.add(product, ops.constant(bias[None]))

    def relu(self, x: Any) -> Any:
        return ops.relu(x)

    def sigmoid(self, x: Any) -> Any:
        return ops.sigmoid(x)

    def step(self, x: Any) -> Any:
        return ops.convert(ops.greater(x, np.float32(0)), np.float32)

    def times(self, x: Any, factor: Any) -> Any:
        if isinstance(factor, np.ndarray):
            return ops.multiply(x, ops.constant(factor))
        return ops.multiply(x, ops.unsqueeze(factor, np.array([2, 3])))

    def weighted_sum(self, x: Any, weights: Any) -> Any:
        return ops.reduce_sum(ops.multiply(x, ops.unsqueeze(weights, np.array([2, 3]))), np.array([1]))

    def flat(self, x: Any) -> Any:
        return ops.squeeze(x, np.array([1]))

    def answer(self, outputs: Mapping[str, Any]) -> ov.Model:
        results = []
        for name, node in outputs.items():
            result = ops.result(node, name=name)
            result.output(0).set_names({name})
            results.append(result)
        self._input.output(0).set_names({INPUT})
        return ov.Model(results, [self._input], "pneumoscope")
