"""OpenVINO against PyTorch in float32, on every bundle at hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load_file, save_file

from pneumoscope.bundle import Bundle
from pneumoscope.errors import BundleError
from pneumoscope.scoring import OpenVinoRuntime, Scores, TorchRuntime, open_runtime

from .conftest import real_films, smooth_films

TOLERANCES = {"f32": 1e-3, "bf16": 0.05}
"""Largest difference of any logit, map cell or embedding value, as a share of the largest in magnitude.

Of logits that is at least 1. A map of next to nothing is what rectification leaves of a difference; it is not compared.
"""
FAINT = 0.05
"""Highest cell of such a map, as a share of the largest logit."""


def assert_same(found: Scores, expected: Scores, tolerance: float) -> None:
    logit = max(1.0, float(np.abs(expected.logit).max()))
    clear = expected.saliency.max((1, 2)) > FAINT * logit
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == np.float32
        if theirs.ndim == 3:
            ours, theirs = ours[clear], theirs[clear]
        scale = logit if theirs.ndim == 1 else float(np.abs(theirs).max(initial=0))
        assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_logit_map_and_embedding_are_those_of_torch(bundle: Bundle, precision: str) -> None:
    films = smooth_films(4, bundle.spec.input.size)
    expected = TorchRuntime(bundle, device="cpu").run(films)
    runtime = OpenVinoRuntime(bundle, precision=precision)
    assert precision in runtime.name
    assert_same(runtime.run(films), expected, TOLERANCES[precision])
    assert expected.logit.std() > 0


@pytest.mark.parametrize("precision", TOLERANCES)
def test_real_films_too(bundle: Bundle, precision: str, data_dir: Path) -> None:
    films = real_films(data_dir, 6, bundle.spec.input.size)
    expected = TorchRuntime(bundle, device="cpu").run(films)
    assert_same(OpenVinoRuntime(bundle, precision=precision).run(films), expected, TOLERANCES[precision])


def test_a_score_does_not_depend_on_its_batch(tiny_bundle: Bundle) -> None:
    films = smooth_films(7, tiny_bundle.spec.input.size)
    runtime = OpenVinoRuntime(tiny_bundle)
    together = runtime.run(films)
    for number in range(7):
        for part, alone in zip(together, runtime.run(films[number : number + 1]), strict=True):
            assert_array_equal(part[number], alone[0])


def test_floats_are_rounded_to_bytes(tiny_bundle: Bundle) -> None:
    films = smooth_films(2, tiny_bundle.spec.input.size)
    runtime = OpenVinoRuntime(tiny_bundle)
    floats = (films / 255 + 0.001).clip(0, 1).astype(np.float32)
    assert_array_equal(runtime.run(films).logit, runtime.run(floats).logit)


def test_auto_precision_is_one_of_the_two(tiny_bundle: Bundle) -> None:
    assert OpenVinoRuntime(tiny_bundle, precision="auto").name.endswith(("f32", "bf16"))


def test_runtimes_by_name(tiny_bundle: Bundle) -> None:
    assert open_runtime(tiny_bundle).name.startswith("openvino")
    assert open_runtime(tiny_bundle, "torch", precision="bf16").name.startswith("torch")
    with pytest.raises(BundleError, match="no runtime of that name; choose openvino, torch"):
        open_runtime(tiny_bundle, "tensorflow")


@pytest.mark.parametrize("change", ["missing", "surplus", "shape", "channels"])
def test_weights_of_another_network(tiny_bundle: Bundle, tmp_path: Path, change: str) -> None:
    tensors = load_file(tiny_bundle.path / "model.safetensors")
    if change == "missing":
        del tensors["trunk.Mixed_7c.branch1x1.conv.weight"]
    elif change == "surplus":
        tensors["attention.reduce.weight"] = np.zeros((128, 2048), np.float16)
    elif change == "shape":
        tensors["head.logit.weight"] = np.zeros((2, 1024), np.float16)
    else:
        tensors["trunk.Mixed_5b.branch1x1.conv.weight"] = np.zeros((64, 191, 1, 1), np.float16)
    save_file(tensors, tmp_path / "model.safetensors")
    bundle = Bundle(tmp_path, tiny_bundle.spec)
    bundle.__dict__["sha256"] = "made up"  # the checksum is another check
    with pytest.raises(BundleError, match="the weights"):
        OpenVinoRuntime(bundle)


def test_predict_imports_no_torch(tiny_bundle: Bundle, tmp_path: Path) -> None:
    from PIL import Image

    film = tmp_path / "film.png"
    Image.fromarray(smooth_films(1, 200)[0, 0]).save(film)
    code = (
        "import sys\n"
        f"sys.argv = ['pneumoscope', 'predict', {str(film)!r}, '--bundle', {str(tiny_bundle.path)!r}, '--json']\n"
        "from pneumoscope.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n    assert not ended.code\n"
        "print(sorted({'torch', 'lightning', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"
    assert '"decision"' in ended.stdout
