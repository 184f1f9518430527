"""The pneumonia network as a list of layers, written once for every engine that is not PyTorch.

What is described here is :class:`pneumoscope.network.PneumoniaNet` in evaluation mode, from grey bytes to logit,
Grad-CAM map and embedding. BatchNorm is folded into the convolutions and the scaling of bytes into the first of
them. Tests hold both against PyTorch, so that a change of one without the other cannot pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from pneumoscope.errors import BundleError

Array = npt.NDArray[np.float32]
Node = TypeVar("Node")

BATCH_NORM_EPSILON = 1e-3
LEVELS = 255
"""Of a film's bytes; the network was trained on values in [0, 1]."""
STEM = "Conv2d_1a_3x3"


INPUT = "films"
OUTPUTS = ("logit", "saliency", "embedding")
"""What the graph answers, in its order; see :class:`~pneumoscope.scoring.Scores`."""
ACTIVATIONS = "activations"
"""What the graph of the frozen stages answers."""


class Writer(Protocol[Node]):
    """Writes layers into one engine's graph. Shapes are (N, C, H, W) for maps and (N, C) for vectors."""

    def films(self, size: int) -> Node:
        """The input, uint8 (N, 1, size, size), as float32 of the same values."""

    def convolution(self, x: Node, kernel: Array, bias: Array, *, stride: int, same: bool, name: str) -> Node:
        """Convolution and ReLU; ``same`` pads with zeros so that stride 1 keeps height and width."""

    def max_pool(self, x: Node) -> Node:
        """Maximum over 3×3, stride 2, without padding."""

    def average_pool(self, x: Node) -> Node:
        """Mean over those of 3×3 neighbours that exist, stride 1."""

    def concat(self, parts: Sequence[Node]) -> Node:
        """Channels of all parts."""

    def cells(self, x: Node) -> int:
        """Number of positions of a map."""

    def mean(self, x: Node) -> Node:
        """Map to vector."""

    def dense(self, x: Node, weight: Array, bias: Array | None = None) -> Node:
        """x · weightᵀ + bias, with the weight as (outputs, inputs)."""

    def relu(self, x: Node) -> Node:
        """max(x, 0)."""

    def sigmoid(self, x: Node) -> Node:
        """1 / (1 + e⁻ˣ)."""

    def step(self, x: Node) -> Node:
        """1 where x > 0, else 0."""

    def times(self, x: Node, factor: Node | Array) -> Node:
        """x times a vector, channel by channel."""

    def weighted_sum(self, x: Node, weights: Node) -> Node:
        """Sum over a map's channels, each times its weight: (N, H, W)."""

    def flat(self, x: Node) -> Node:
        """(N, 1) as (N,)."""

    def answer(self, outputs: Mapping[str, Node]) -> Any:
        """The finished graph."""


class Weights:
    """The tensors of a bundle, each to be used once.

    Args:
        tensors: name → values, with the names of PyTorch's state dict.
        origin: the file, for messages.
    """

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]], origin: str) -> None:
        self._left = dict(tensors)
        self._origin = origin

    def take(self, name: str, *shape: int | None) -> Array:
        """A tensor as float32; None in ``shape`` fits any length.

        Raises:
            BundleError: there is none of that name and shape.
        """
        found = self._left.pop(name, None)
        if found is None or len(found.shape) != len(shape):
            raise self._unfit()
        if any(wanted is not None and wanted != length for wanted, length in zip(shape, found.shape, strict=True)):
            raise self._unfit()
        return found.astype(np.float32)

    def folded(self, name: str) -> tuple[Array, Array]:
        """Kernel (out, in, rows, columns) and bias of a convolution with its BatchNorm taken in."""
        kernel = self.take(f"{name}.conv.weight", None, None, None, None)
        scale, shift, mean, variance = (
            self.take(f"{name}.bn.{part}", len(kernel)) for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale /= np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
        kernel *= scale[:, None, None, None]
        return kernel, shift - mean * scale

    def finish(self) -> None:
        """Make sure that nothing is left over.

        Raises:
            BundleError: something is, so that these weights are of another network.
        """
        if self._left:
            raise self._unfit()

    def _unfit(self) -> BundleError:
        return BundleError(f"{self._origin}: the weights are not those of the network that bundle.json describes")


def describe(writer: Writer[Node], weights: Weights, *, size: int, attention: bool) -> Any:
    """Write the network with ``writer``.

    Args:
        writer: of one engine.
        weights: of a bundle; all are used up.
        size: side of the input in pixels.
        attention: whether squeeze-and-excitation stands behind the last stage.

    Returns:
        What the writer makes of a graph with the outputs :data:`OUTPUTS`.

    Raises:
        BundleError: the weights are not of this network.
    """
    features = _Trunk(writer, weights).run(writer.films(size))
    channels = "attention.reduce.weight", "attention.expand.weight"
    if attention:
        reduce, expand = (weights.take(name, None, None) for name in channels)
        squeezed = writer.dense(writer.mean(features), reduce, weights.take("attention.reduce.bias", len(reduce)))
        gate = writer.dense(writer.relu(squeezed), expand, weights.take("attention.expand.bias", len(expand)))
        features = writer.times(writer.times(features, writer.sigmoid(gate)), np.array([2], np.float32))
    hidden, logit = weights.take("head.hidden.weight", None, None), weights.take("head.logit.weight", 1, None)
    embedding = writer.mean(features)
    inside = writer.dense(embedding, hidden, weights.take("head.hidden.bias", len(hidden)))
    score = writer.dense(writer.relu(inside), logit, weights.take("head.logit.bias", 1))
    # Grad-CAM in closed form, as PneumoniaNet.explain has it.
    active = writer.times(writer.step(inside), logit[0] / np.float32(writer.cells(features)))
    saliency = writer.relu(writer.weighted_sum(features, writer.dense(active, hidden.T)))
    weights.finish()
    return writer.answer(dict(zip(OUTPUTS, (writer.flat(score), saliency, embedding), strict=True)))


def describe_frozen(writer: Writer[Node], weights: Weights, *, size: int, entry: str) -> Any:
    """Write the stages before ``entry``: the graph answers what :meth:`pneumoscope.network.PneumoniaNet.encode` does.

    Args:
        writer: of one engine.
        weights: of a network; those of later stages are left.
        size: side of the input in pixels.
        entry: a stage, ``"attention"`` or, of a network without attention, ``"head"``.

    Returns:
        What the writer makes of a graph with the output :data:`ACTIVATIONS`.
    """
    x = _Trunk(writer, weights).run(writer.films(size), entry)
    return writer.answer({ACTIVATIONS: writer.mean(x) if entry == "head" else x})


class _Trunk:
    """InceptionV3, as :class:`pneumoscope.network.InceptionTrunk` has it."""

    def __init__(self, writer: Writer[Any], weights: Weights) -> None:
        self._writer = writer
        self._weights = weights

    def run(self, x: Any, entry: str = "attention") -> Any:
        """What reaches ``entry`` of films: a stage, or what follows the last one."""
        for name, entering in self._stages(x):
            x = entering
            if name == entry:
                break
        return x

    def _stages(self, x: Any) -> Iterator[tuple[str, Any]]:
        """Each stage's name with what enters it; a stage is written when the next one is asked for."""
        pool = self._writer.max_pool
        yield "stem", x
        x = self._unit(x, STEM, stride=2)
        x = self._unit(self._unit(x, "Conv2d_2a_3x3", same=False), "Conv2d_2b_3x3")
        x = self._unit(self._unit(pool(x), "Conv2d_3b_1x1"), "Conv2d_4a_3x3", same=False)
        x = pool(x)
        for number, block in enumerate(("Mixed_5b", "Mixed_5c", "Mixed_5d")):
            yield f"mixed{number}", x
            x = self._block(x, block, ("branch1x1",), ("branch5x5_1", "branch5x5_2"), _double("branch3x3dbl", 3))
        yield "mixed3", x
        x = self._reduction(x, "Mixed_6a", ("branch3x3",), _double("branch3x3dbl", 3))
        for number, block in enumerate(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), start=4):
            yield f"mixed{number}", x
            x = self._block(x, block, ("branch1x1",), _double("branch7x7", 3), _double("branch7x7dbl", 5))
        yield "mixed8", x
        x = self._reduction(x, "Mixed_7a", _double("branch3x3", 2), _double("branch7x7x3", 4))
        for number, block in enumerate(("Mixed_7b", "Mixed_7c"), start=9):
            yield f"mixed{number}", x
            x = self._fan(x, block)
        yield "attention", x

    def _block(self, x: Any, block: str, *branches: Sequence[str]) -> Any:
        parts = [self._chain(x, block, branch) for branch in branches]
        return self._writer.concat([*parts, self._pooled(x, block)])

    def _reduction(self, x: Any, block: str, *branches: Sequence[str]) -> Any:
        parts = [
            self._unit(self._chain(x, block, branch[:-1]), f"{block}.{branch[-1]}", stride=2) for branch in branches
        ]
        return self._writer.concat([*parts, self._writer.max_pool(x)])

    def _fan(self, x: Any, block: str) -> Any:
        three = self._chain(x, block, ("branch3x3_1",))
        double = self._chain(x, block, ("branch3x3dbl_1", "branch3x3dbl_2"))
        fans = [
            self._unit(start, f"{block}.{branch}{side}")
            for start, branch in ((three, "branch3x3_2"), (double, "branch3x3dbl_3"))
            for side in "ab"
        ]
        return self._writer.concat([self._unit(x, f"{block}.branch1x1"), *fans, self._pooled(x, block)])

    def _pooled(self, x: Any, block: str) -> Any:
        return self._unit(self._writer.average_pool(x), f"{block}.branch_pool")

    def _chain(self, x: Any, block: str, names: Sequence[str]) -> Any:
        for name in names:
            x = self._unit(x, f"{block}.{name}")
        return x

    def _unit(self, x: Any, name: str, *, stride: int = 1, same: bool = True) -> Any:
        kernel, bias = self._weights.folded(f"trunk.{name}")
        if name == STEM:
            kernel /= np.float32(LEVELS)
        return self._writer.convolution(x, kernel, bias, stride=stride, same=same and stride == 1, name=name)


def _double(branch: str, length: int) -> tuple[str, ...]:
    return tuple(f"{branch}_{number}" for number in range(1, length + 1))
