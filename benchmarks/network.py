"""The network alone, with score, heat map and embedding: OpenVINO beside PyTorch, ONNX Runtime and Keras on TensorFlow.

OpenVINO in each number format; Keras without heat map and embedding. All at 299 pixels, each engine with all
processors, batches of 16. The machine's limit
in bfloat16 and int8 is what a product of large matrices reaches on it; a multiplication and an addition are two
operations, and those of the network's convolutions and matrix products are counted.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks._arithmetic import matrix_product_rate, operations
from benchmarks._keras_peer import ask_keras
from benchmarks._measure import Times, timed
from pneumoscope.bundle import Bundle, BundleSpec, InputSpec, save_bundle
from pneumoscope.export import load_nncf
from pneumoscope.graphs.layers import INPUT, Weights, describe
from pneumoscope.scoring import OpenVinoRuntime, TorchRuntime
from pneumoscope.scoring.runtimes.openvino import build_model

SIDE, FILMS, CALIBRATION = 299, 16, 8
"""The int8 ranges need not be good ones here: the time does not depend on them."""


def run() -> dict[str, float | str]:
    """Films per second of each, ratios to PyTorch and ONNX Runtime in float32, and shares of the machine's limit."""
    films = np.random.default_rng(0).integers(0, 256, (FILMS, 1, SIDE, SIDE), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        bundle = _random_bundle(Path(folder) / "random")
        taken: dict[str, Times] = {
            f"openvino {precision}": timed(lambda runtime=runtime: runtime.run(films))
            for precision, runtime in _openvino(bundle, films)
        }
        torch = TorchRuntime(bundle, device="cpu")
        taken["torch f32"] = timed(lambda: torch.run(films))
        session = _onnx_session(bundle)
        taken["onnxruntime f32"] = timed(lambda: session.run(None, {INPUT: films}))
        graph = build_model(bundle)
    taken["keras"] = Times(tuple(ask_keras("predict", FILMS)))
    results: dict[str, float | str] = {}
    for name, times in taken.items():
        results |= times.rate(FILMS, name)
    ours = [name for name in taken if name.startswith("openvino")]
    for peer in (name for name in taken if name not in ours):
        for name in ours:
            results[f"{name}, times faster than {peer}"] = taken[peer].median / taken[name].median
    graph.reshape({INPUT: [1, 1, SIDE, SIDE]})
    work = operations(graph)
    results["operations for a film, 10⁹"] = work / 1e9
    for precision in ("bf16", "int8"):
        limit, reached = matrix_product_rate(precision), FILMS * work / taken[f"openvino {precision}"].median
        results[f"limit in {precision}, 10¹² operations/s"] = limit / 1e12
        results[f"openvino {precision}, 10¹² operations/s"] = reached / 1e12
        results[f"openvino {precision}, share of the limit"] = reached / limit
    return results


def _random_bundle(folder: Path) -> Bundle:
    import torch

    from pneumoscope.network import PneumoniaNet

    torch.manual_seed(0)
    spec = BundleSpec(name="random", created="2025-01-01T00:00:00Z", software="benchmark", input=InputSpec(size=SIDE))
    return save_bundle(spec, PneumoniaNet().state_dict(), folder)


def _openvino(bundle: Bundle, films: np.ndarray):
    nncf = load_nncf()
    for precision in ("f32", "bf16"):
        yield precision, OpenVinoRuntime(bundle, precision=precision)
    data = nncf.Dataset(list(films[:CALIBRATION, None]), lambda film: {INPUT: film})
    head = nncf.IgnoredScope(types=["MatMul", "ReduceMean", "ReduceSum", "Multiply"], validate=False)
    int8 = nncf.quantize(build_model(bundle), data, subset_size=CALIBRATION, ignored_scope=head)
    yield "int8", OpenVinoRuntime(bundle, model=int8, label="int8")


def _onnx_session(bundle: Bundle):
    import onnxruntime

    from pneumoscope.graphs.onnx_graph import OnnxWriter

    spec = bundle.spec
    weights = Weights(bundle.tensors(), str(bundle.path))
    model = describe(OnnxWriter(), weights, size=spec.input.size, attention=spec.architecture.attention)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
