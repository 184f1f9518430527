from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pneumoscope.bundle import Bundle
from pneumoscope.errors import BundleError
from pneumoscope.scoring import Scores, TorchRuntime, score_pixels

SIZE = 107


@pytest.fixture(scope="module")
def runtime(tiny_bundle: Bundle) -> TorchRuntime:
    return TorchRuntime(tiny_bundle)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE), dtype=np.uint8)


def test_shapes_and_types(runtime: TorchRuntime, pixels: np.ndarray) -> None:
    scores = runtime.run(pixels[:, None])
    assert scores.logit.shape == (5,)
    assert scores.saliency.shape == (5, 2, 2)
    assert scores.embedding.shape == (5, 2048)
    assert {part.dtype for part in scores} == {np.dtype(np.float32)}
    assert (scores.saliency >= 0).all()
    assert scores.saliency.max() > 0


def test_bytes_and_floats_score_alike(runtime: TorchRuntime, pixels: np.ndarray) -> None:
    as_floats = (pixels[:, None] / np.float32(255)).astype(np.float32)
    assert_allclose(runtime.run(pixels[:, None]).logit, runtime.run(as_floats).logit, atol=1e-5)


def test_agrees_with_the_plain_network(runtime: TorchRuntime, tiny_bundle: Bundle, pixels: np.ndarray) -> None:
    import torch

    with torch.no_grad():
        expected = tiny_bundle.network()(torch.from_numpy(pixels[:, None]) / 255)
    assert_allclose(runtime.run(pixels[:, None]).logit, expected.numpy(), atol=1e-4)


def test_lower_precision_stays_close(runtime: TorchRuntime, tiny_bundle: Bundle, pixels: np.ndarray) -> None:
    lower = TorchRuntime(tiny_bundle, device="cpu", precision="bf16")
    assert_allclose(lower.run(pixels[:2, None]).logit, runtime.run(pixels[:2, None]).logit, atol=0.1)
    assert "bf16" in lower.name


def test_batches_make_no_difference(runtime: TorchRuntime, pixels: np.ndarray) -> None:
    done: list[int] = []
    scores = score_pixels(runtime, pixels, batch_size=2, progress=done.append)
    assert done == [2, 2, 1]
    assert_allclose(scores.logit, runtime.run(pixels[:, None]).logit, atol=1e-4)
    assert scores.saliency.shape == (5, 2, 2)


def test_a_score_that_is_no_number_is_an_error(pixels: np.ndarray) -> None:
    class Broken:
        name = "broken"

        def run(self, batch: np.ndarray) -> Scores:
            n = len(batch)
            return Scores(
                np.full(n, np.nan, np.float32), np.zeros((n, 2, 2), np.float32), np.zeros((n, 2048), np.float32)
            )

    with pytest.raises(BundleError, match="not a number"):
        score_pixels(Broken(), pixels)
