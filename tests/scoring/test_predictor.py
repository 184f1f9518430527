from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.bundle import Bundle, BundleSpec, Conformal, ConformalLimits, InputSpec, OperatingPoint, Suitability
from pneumoscope.errors import BundleError
from pneumoscope.evaluation import fit_training_films
from pneumoscope.radiograph import read_radiograph
from pneumoscope.scoring import Predictor, Scores, TorchRuntime


class MeanRuntime:
    """Calls a film pneumonia by its mean brightness; remembers the sizes of its batches."""

    name = "mean"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, batch: np.ndarray) -> Scores:
        assert batch.dtype == np.uint8
        self.batches.append(len(batch))
        mean = batch.mean((1, 2, 3), dtype=np.float32) / 255
        saliency = np.zeros((len(batch), 8, 8), np.float32)
        saliency[:, 2, 5] = 1
        return Scores((mean - 0.5) * 20, saliency, np.zeros((len(batch), 2048), np.float32))


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle without weights, for runtimes that need none."""
    monkeypatch.setattr(Bundle, "sha256", "ab" * 32)
    points = (OperatingPoint(name="half", threshold=0.5), OperatingPoint(name="strict", threshold=0.99))
    spec = BundleSpec(
        name="mean", created="2025-01-01", software="0", input=InputSpec(size=299), operating_points=points
    )
    return Bundle(tmp_path, spec)


def _film(path: Path, brightness: float) -> Path:
    """A grey film with some texture, so that no gate takes it for blank."""
    texture = np.random.default_rng(int(1000 * brightness)).normal(brightness, 0.12, (260, 300))
    Image.fromarray((texture.clip(0, 1) * 255).astype(np.uint8)).save(path)
    return path


def test_order_is_kept_and_bad_files_do_not_stop_the_run(tmp_path: Path, bundle: Bundle) -> None:
    brightness = [0.7, 0.3, 0.6, 0.35, 0.65, 0.4, 0.75]
    paths = [_film(tmp_path / f"{index}.png", value) for index, value in enumerate(brightness)]
    broken = tmp_path / "broken.png"
    broken.write_bytes(paths[0].read_bytes()[:200])
    paths.insert(3, broken)
    paths.append(tmp_path / "vanished.png")
    runtime = MeanRuntime()
    results = [scored.prediction for scored in Predictor(bundle, runtime=runtime, batch_size=3).predict_files(paths)]
    assert [result.file for result in results] == [str(path) for path in paths]
    assert [result.failed for result in results] == [index in (3, 8) for index in range(9)]
    assert [result.decision for result in results if not result.failed] == [
        "pneumonia" if value > 0.5 else "normal" for value in brightness
    ]
    assert sum(runtime.batches) == 7
    assert max(runtime.batches) <= 3
    assert results[3].decision == results[8].decision == "unsuitable"
    assert results[3].probability is None
    assert results[3].input_sha256 == hashlib.sha256(broken.read_bytes()).hexdigest()
    assert results[8].input_sha256 is None
    assert "broken.png" not in results[3].reasons[0].message


def test_prediction_says_what_it_was_made_with(tmp_path: Path, bundle: Bundle) -> None:
    path = _film(tmp_path / "film.png", 0.6)
    (scored,) = Predictor(bundle, runtime=MeanRuntime(), operating_point="strict").predict_files([path])
    prediction = scored.prediction
    assert prediction.operating_point.name == "strict"
    assert prediction.decision == "normal"
    assert prediction.probability == pytest.approx(1 / (1 + np.exp(-prediction.logit)))
    assert prediction.model.sha256 == "ab" * 32
    assert prediction.model.runtime == "mean"
    assert (prediction.film.width, prediction.film.height) == (300, 260)
    assert prediction.saliency.peak.y == pytest.approx((37.5 + 2 * 32) / 299)
    assert prediction.saliency.peak.x == pytest.approx((20 + (37.5 + 5 * 32) * 260 / 299) / 300)
    assert scored.film is None
    assert prediction.elapsed_ms > 0


def test_uncertain_films_are_referred_and_say_why(tmp_path: Path, bundle: Bundle) -> None:
    limits = tuple(
        ConformalLimits(error_rate=rate, normal_up_to=0.5 + reach, pneumonia_from=0.5 - reach)
        for rate, reach in ((0.01, 0.4), (0.05, 0.1))
    )
    conformal = Conformal(error_rate=0.05, limits=limits, normal=99, pneumonia=99)
    unsure = Bundle(bundle.path, bundle.spec.model_copy(update={"conformal": conformal}))
    paths = [_film(tmp_path / f"{value}.png", value) for value in (0.4, 0.502, 0.6)]
    for error_rate, decisions in ((None, ["normal", "refer", "pneumonia"]), (0.01, ["refer", "refer", "refer"])):
        predictor = Predictor(unsure, runtime=MeanRuntime(), error_rate=error_rate)
        found = [scored.prediction for scored in predictor.predict_files(paths)]
        assert [one.decision for one in found] == decisions
        assert [reason.code for reason in found[1].reasons] == ["both-classes-possible", "at-or-above-threshold"]
        assert found[1].row()["error_rate"] == (error_rate or 0.05)
    certain = [scored.prediction for scored in Predictor(bundle, runtime=MeanRuntime()).predict_files(paths)]
    assert [one.decision for one in certain] == ["normal", "pneumonia", "pneumonia"], "as before, without limits"
    assert certain[0].conformal is None
    with pytest.raises(BundleError, match=r"error rate of 0.3; there are: 0.01, 0.05"):
        Predictor(unsure, runtime=MeanRuntime(), error_rate=0.3)
    with pytest.raises(BundleError, match="mean has no conformal limits"):
        Predictor(bundle, runtime=MeanRuntime(), error_rate=0.05)


def test_films_are_kept_on_demand(tmp_path: Path, bundle: Bundle) -> None:
    path = _film(tmp_path / "film.png", 0.6)
    (scored,) = Predictor(bundle, runtime=MeanRuntime()).predict_files([path], keep_films=True)
    assert scored.film.pixels.shape == (260, 300)


def test_read_films_score_as_files_do(tmp_path: Path, bundle: Bundle) -> None:
    path = _film(tmp_path / "film.png", 0.6)
    scorer = Predictor(bundle, runtime=MeanRuntime())
    (from_file,) = scorer.predict_files([path])
    (from_film,) = scorer.predict([read_radiograph(path)])
    assert from_film.prediction.probability == from_file.prediction.probability
    assert from_film.prediction.input_sha256 is None


def test_memory_is_bounded(tmp_path: Path, bundle: Bundle) -> None:
    path = _film(tmp_path / "film.png", 0.6)
    asked = 0

    def endless() -> Iterator[Path]:
        nonlocal asked
        while True:
            asked += 1
            yield path

    stream = Predictor(bundle, runtime=MeanRuntime(), batch_size=2).predict_files(endless())
    for _ in range(4):
        next(stream)
    stream.close()
    assert asked <= 4 + 2 * 2


def test_closing_the_stream_ends_its_threads(tmp_path: Path, bundle: Bundle) -> None:
    path = _film(tmp_path / "film.png", 0.6)
    before = threading.active_count()
    stream = Predictor(bundle, runtime=MeanRuntime(), batch_size=1).predict_files([path] * 50)
    next(stream)
    stream.close()
    assert threading.active_count() == before


def test_file_names_that_are_no_text(tmp_path: Path, bundle: Bundle) -> None:
    path = _film(tmp_path / "plain.png", 0.6).rename(tmp_path / "film\udce9.png")
    (scored,) = Predictor(bundle, runtime=MeanRuntime()).predict_files([path])
    assert scored.prediction.file.endswith("film?.png")
    assert scored.prediction.model_dump_json()


def test_unknown_operating_point(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="half, strict"):
        Predictor(bundle, runtime=MeanRuntime(), operating_point="p99")


def test_real_network_end_to_end(tmp_path: Path, tiny_bundle: Bundle) -> None:
    path = _film(tmp_path / "film.png", 0.5)
    (scored,) = Predictor(tiny_bundle, runtime=TorchRuntime(tiny_bundle)).predict_files([path])
    logit, probability = scored.prediction.logit, scored.prediction.probability
    assert probability == pytest.approx(1 / (1 + np.exp(-(2.0 * logit + 0.5))))
    assert scored.saliency.shape == (2, 2)
    assert scored.prediction.model.sha256 == tiny_bundle.spec.weights_sha256


def test_films_unlike_the_training_films_are_refused(tmp_path: Path, bundle: Bundle) -> None:
    """Training films are dark on the left, with stripes; the second film is turned, the third is something else."""
    draw = np.random.default_rng(0)
    ramp = (np.linspace(60, 180, 299) + 25 * (-1) ** (abs(np.arange(299) - 149) // 12))[None, :].repeat(299, 0)
    training = np.stack([ramp + draw.normal(0, 8, ramp.shape) for _ in range(200)]).clip(0, 255).astype(np.uint8)
    embedding, strips = (draw.normal(mean, 0.1, (200, 2048)).astype(np.float32) ** 2 for mean in (1, 2))
    known = fit_training_films(training, embedding, strips)
    rule = Suitability(threshold=6.0, mirrored=1e9)
    spec = bundle.spec.model_copy(update={"suitability": rule})
    fitted = Bundle(tmp_path, spec)
    fitted.__dict__["training_films"] = known  # without a file

    class Seeing(MeanRuntime):
        def run(self, batch: np.ndarray) -> Scores:
            scores = super().run(batch)
            return scores._replace(embedding=np.ones((len(batch), 2048), np.float32))

    for name, pixels in {"1": training[0], "2": np.rot90(training[1], 2), "3": training[0] ^ training[1]}.items():
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / f"{name}.png")
    paths = [tmp_path / f"{name}.png" for name in "123"]
    upright, turned, other = (one.prediction for one in Predictor(fitted, runtime=Seeing()).predict_files(paths))
    assert upright.decision in ("pneumonia", "normal")
    assert turned.decision == other.decision == "unsuitable"
    assert turned.probability is turned.logit is turned.saliency is None
    assert not turned.failed
    assert turned.reasons[0].code == "turned"
    assert other.reasons[0].code == "unlike-chest"
    judging = Predictor(fitted, runtime=Seeing(), refuse_unlike=False)
    assert all(one.prediction.probability is not None for one in judging.predict_files(paths))
