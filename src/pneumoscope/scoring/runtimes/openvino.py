"""Runs the network on a CPU with OpenVINO, built from the bundle's own weights: there is no second copy of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pneumoscope.bundle import Bundle
from pneumoscope.errors import BundleError
from pneumoscope.graphs.layers import INPUT, LEVELS, OUTPUTS, Weights, describe
from pneumoscope.scoring.runtime import Batch, Scores
from pneumoscope.scoring.runtimes.precision import Precision, resolve_precision

if TYPE_CHECKING:
    from openvino import Model


class OpenVinoRuntime:
    """Runs the network with OpenVINO on the CPU.

    Each film is a request of its own, so that its score does not depend on what else is in its batch; as many
    requests run at once as OpenVINO finds best for this processor.

    Args:
        bundle: the trained model.
        precision: ``"f32"``; ``"bf16"`` runs convolutions and products in bfloat16; ``"auto"`` takes whichever a
            measurement finds faster here.
        threads: processors to use; None leaves it to OpenVINO, which takes all.
        model: the network if it was exported before; None builds it from the bundle's weights.
        label: number format that predictions record; None takes that of ``precision``.

    Raises:
        BundleError: the weights are missing, damaged or do not fit.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        precision: Precision = "f32",
        threads: int | None = None,
        model: Model | None = None,
        label: str | None = None,
    ) -> None:
        import openvino as ov

        core = ov.Core()
        chosen = resolve_precision(precision, core)
        model = model or build_model(bundle)
        size = bundle.spec.input.size
        model.reshape({INPUT: [1, 1, size, size]})
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": chosen}
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        compiled = core.compile_model(model, "CPU", options)
        count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(count):
            self._idle.put(compiled.create_infer_request())
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="openvino")
        self.name = f"openvino {ov.__version__.split('-')[0]} CPU {label or chosen}"

    def run(self, batch: Batch) -> Scores:
        """Score a batch (N, 1, S, S): uint8, or float32 in [0, 1], which is rounded to bytes first."""
        films = batch if batch.dtype == np.uint8 else np.rint(batch * LEVELS).astype(np.uint8)
        answers = list(self._pool.map(self._score, films[:, None]))
        return Scores(*(np.concatenate(part) for part in zip(*answers, strict=True)))

    def _score(self, film: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], ...]:
        request = self._idle.get()
        try:
            answer = request.infer({INPUT: film})
        finally:
            self._idle.put(request)
        return tuple(answer[name] for name in OUTPUTS)


def build_model(bundle: Bundle) -> Model:
    """The network of a bundle as OpenVINO's graph in float32, for any number of films.

    Raises:
        BundleError: the weights are missing, damaged or do not fit.
    """
    from pneumoscope.graphs.opset import OpenVinoWriter

    spec = bundle.spec
    weights = Weights(bundle.tensors(), str(bundle.path))
    try:
        return describe(OpenVinoWriter(), weights, size=spec.input.size, attention=spec.architecture.attention)
    except RuntimeError as error:  # shapes that do not follow from one another
        reason = str(error).strip().splitlines()[-1]
        raise BundleError(f"{bundle.path}: the weights do not make up the network ({reason})") from None
