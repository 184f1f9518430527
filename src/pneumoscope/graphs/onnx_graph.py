"""The network's layers as an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pneumoscope.graphs.layers import INPUT, Array

OPSET, IR_VERSION = 17, 8
"""Of early 2022, so that engines of that age read it too."""
FILMS = "N"


class OnnxWriter:
    """Writes an :class:`onnx.ModelProto`; its nodes are names of tensors."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._shapes: dict[str, tuple[int, int]] = {}

    def films(self, size: int) -> str:
        self._size = size
        return self._map(self._add("Cast", INPUT, to=TensorProto.FLOAT), size, size)

    def convolution(self, x: str, kernel: Array, bias: Array, *, stride: int, same: bool, name: str) -> str:
        rows, columns = kernel.shape[2:]
        top, left = (rows // 2, columns // 2) if same else (0, 0)
        inputs = x, self._constant(kernel), self._constant(bias)
        raw = self._add("Conv", *inputs, strides=[stride, stride], pads=[top, left, top, left], name=name)
        height, width = self._shapes[x]
        return self._map(
            self.relu(raw), (height + 2 * top - rows) // stride + 1, (width + 2 * left - columns) // stride + 1
        )

    def max_pool(self, x: str) -> str:
        height, width = self._shapes[x]
        pooled = self._add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        return self._map(pooled, (height - 3) // 2 + 1, (width - 3) // 2 + 1)

    def average_pool(self, x: str) -> str:
        pooled = self._add("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=0)
        return self._map(pooled, *self._shapes[x])

    def concat(self, parts: Sequence[str]) -> str:
        return self._map(self._add("Concat", *parts, axis=1), *self._shapes[parts[0]])

    def cells(self, x: str) -> int:
        height, width = self._shapes[x]
        return height * width

    def mean(self, x: str) -> str:
        return self._add("ReduceMean", x, axes=[2, 3], keepdims=0)

    def dense(self, x: str, weight: Array, bias: Array | None = None) -> str:
        inputs = [x, self._constant(weight)] + ([] if bias is None else [self._constant(bias)])
        return self._add("Gemm", *inputs, transB=1)

    def relu(self, x: str) -> str:
        return self._add("Relu", x)

    def sigmoid(self, x: str) -> str:
        return self._add("Sigmoid", x)

    def step(self, x: str) -> str:
        above = self._add("Greater", x, self._constant(np.float32(0)))
        return self._add("Cast", above, to=TensorProto.FLOAT)

    def times(self, x: str, factor: str | Array) -> str:
        if isinstance(factor, str):
            product = self._add("Mul", x, self._spread(factor))
        else:
            product = self._add("Mul", x, self._constant(factor))
        if x in self._shapes:
            self._map(product, *self._shapes[x])
        return product

    def weighted_sum(self, x: str, weights: str) -> str:
        axis = self._constant(np.array([1]))
        return self._add("ReduceSum", self._add("Mul", x, self._spread(weights)), axis, keepdims=0)

    def flat(self, x: str) -> str:
        return self._add("Squeeze", x, self._constant(np.array([1])))

    def answer(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        for name, node in outputs.items():
            self._nodes.append(helper.make_node("Identity", [node], [name]))
        shapes: dict[str, list[str | int | None]] = {
            "logit": [FILMS],
            "saliency": [FILMS, None, None],
            "embedding": [FILMS, None],
        }
        graph = helper.make_graph(
            self._nodes,
            "pneumoscope",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [FILMS, 1, self._size, self._size])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        result = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [result], **attributes))
        return result

    def _constant(self, values: npt.NDArray[Any] | np.float32) -> str:
        name = f"w{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _map(self, name: str, height: int, width: int) -> str:
        self._shapes[name] = height, width
        return name

    def _spread(self, vector: str) -> str:
        return self._add("Unsqueeze", vector, self._constant(np.array([2, 3])))
