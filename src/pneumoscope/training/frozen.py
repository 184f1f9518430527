"""The frozen stages of a network, run as fast as this machine can."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pneumoscope.graphs.layers import ACTIVATIONS, INPUT, LEVELS, Weights, describe_frozen
from pneumoscope.network import PneumoniaNet


class FrozenStages:
    """Answers films with what reaches the first trained stage: by OpenVINO on a CPU, else by PyTorch.

    OpenVINO runs one film a request, as many at once as suit the processor; ``python -m benchmarks frozen_stages`` says
    how much faster that is than PyTorch's batches.

    Args:
        network: decides by its frozen stages where the activations are taken; kept in inference mode.
        size: side S of the films in pixels.
        device: where PyTorch would run.
        dtype: what convolutions run in, float32 or bfloat16.
    """

    def __init__(self, network: PneumoniaNet, size: int, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self._network = network.eval()
        self._size = size
        self._dtype = dtype

    def __call__(self, films: Tensor) -> npt.NDArray[np.float16]:
        """Activations (N, C, h, w), or (N, 2048) where the whole trunk is frozen, of films (N, 1, S, S) in [0, 1].

        On a CPU values are rounded to the 256 levels of a film's bytes.
        """
        if self.device.type != "cpu":
            return self._by_pytorch(films)
        levels = (films * LEVELS).round().byte().numpy()
        answers: list[Any] = [None] * len(levels)
        self._queue.set_callback(lambda request, place: answers.__setitem__(place, _answer(request)))
        for place in range(len(levels)):
            self._queue.start_async({INPUT: levels[place : place + 1]}, place)
        self._queue.wait_all()
        return np.concatenate(answers)

    def _by_pytorch(self, films: Tensor) -> npt.NDArray[np.float16]:
        lower = self._dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self.device.type, self._dtype, enabled=lower):
            films = films.contiguous(memory_format=torch.channels_last)
            return self._network.encode(films, self._network.entry).half().cpu().numpy()

    @cached_property
    def _queue(self) -> Any:
        """OpenVINO's requests for one film each; not made where nothing is asked."""
        import openvino as ov

        from pneumoscope.graphs.opset import OpenVinoWriter

        tensors = {name: tensor.contiguous().numpy() for name, tensor in self._network.state_dict().items()}
        entry = self._network.entry
        model = describe_frozen(OpenVinoWriter(), Weights(tensors, "network"), size=self._size, entry=entry)
        model.reshape({INPUT: [1, 1, self._size, self._size]})
        precision = "bf16" if self._dtype == torch.bfloat16 else "f32"
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}
        return ov.AsyncInferQueue(ov.Core().compile_model(model, "CPU", options))


def _answer(request: Any) -> npt.NDArray[np.float16]:
    values: npt.NDArray[np.float16] = request.get_tensor(ACTIVATIONS).data.astype(np.float16)
    return values
