"""624 JPEG films of 224 pixels from the disk to the prediction, with the shipped model: this package's two engines.

Beside them the study's own stack, Keras on TensorFlow in an environment of its own, at 299 pixels: ``model.predict``,
and for heat maps Grad-CAM by automatic differentiation, timed on 40 films and scaled up to all.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks._films import write_films
from benchmarks._keras_peer import ask_keras
from benchmarks._measure import Times, timed
from pneumoscope.bundle import load_bundle
from pneumoscope.scoring import Predictor, open_runtime

FILMS = 624
REPEATS = 3


def run() -> dict[str, float | str]:
    """Films per second and ratios. Every row of this package has the heat map: it costs next to nothing."""
    bundle = load_bundle("default")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_films(Path(folder), FILMS)
        taken: dict[str, Times] = {}
        for engine, precision in (("openvino", "f32"), ("openvino", "bf16"), ("torch", "f32")):
            predictor = Predictor(bundle, runtime=open_runtime(bundle, engine, precision=precision))
            taken[f"{engine} {precision}"] = timed(lambda own=predictor: _score(own, paths), REPEATS, warm=False)
        alone, explained = ask_keras("score", [str(path) for path in paths])
    taken |= {"keras, score alone": Times(tuple(alone)), "keras, score and Grad-CAM": Times(tuple(explained))}
    results: dict[str, float | str] = {}
    for name, times in taken.items():
        results |= times.rate(FILMS, name)
    ours = "openvino f32", "openvino bf16"
    for peer in taken:
        if peer not in ours:
            for name in ours:
                results[f"{name}, times faster than {peer}"] = taken[peer].median / taken[name].median
    return results


def _score(predictor: Predictor, paths: list[Path]) -> None:
    assert sum(scored.saliency is not None for scored in predictor.predict_files(paths)) == len(paths)
