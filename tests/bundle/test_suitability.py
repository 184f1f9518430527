from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from scipy.spatial.distance import mahalanobis

from pneumoscope.bundle import (
    GRID,
    POSES,
    Bundle,
    Gaussian,
    Likeness,
    Pose,
    Strips,
    Suitability,
    TrainingFilms,
    copy_bundle,
    layout_of,
    load_bundle,
    render_card,
    rooted,
    write_suitability,
)
from pneumoscope.errors import BundleError, OutputError

RULE = Suitability(threshold=3.0, mirrored=2.0, false_refusals=0.01, fitted_on="made up", chosen_on="made up")


def _gaussian(dimensions: int, axes: int, seed: int) -> Gaussian:
    draw = np.random.default_rng(seed)
    directions = np.linalg.qr(draw.normal(size=(dimensions, axes)))[0].T
    return Gaussian(
        mean=draw.normal(size=dimensions).astype(np.float16).astype(np.float32),
        axes=directions.astype(np.float16).astype(np.float32),
        variances=draw.uniform(1, 9, axes).astype(np.float32),
        rest=np.array([0.5], np.float32),
        typical=np.array([2, 0.5], np.float32),
    )


@pytest.fixture
def known() -> TrainingFilms:
    side = np.random.default_rng(2).normal(size=GRID**2).astype(np.float32)
    strips = Strips(np.random.default_rng(3).normal(size=2048).astype(np.float32), np.array([1, 2], np.float32))
    return TrainingFilms(_gaussian(2048, 5, 0), _gaussian(GRID**2, 7, 1), strips, side)


@pytest.fixture
def fitted(tiny_bundle: Bundle, tmp_path: Path, known: TrainingFilms) -> Bundle:
    return write_suitability(copy_bundle(tiny_bundle, tmp_path / "fitted"), known, RULE)


def test_distance_is_that_of_the_whole_covariance() -> None:
    gaussian = _gaussian(12, 4, 3)
    axes = gaussian.axes.astype(np.float64)
    covariance = axes.T @ np.diag(gaussian.variances) @ axes + 0.5 * (np.eye(12) - axes.T @ axes)
    points = np.random.default_rng(4).normal(size=(6, 12)).astype(np.float32)
    expected = [mahalanobis(point, gaussian.mean, np.linalg.inv(covariance)) ** 2 for point in points]
    np.testing.assert_allclose(np.exp(gaussian.log_distance(points)), expected, rtol=0.01)
    np.testing.assert_allclose(gaussian.excess(np.array([1.0, 3.0])), [0, 2])


def test_evidence_for_a_strip_is_counted_in_standard_deviations() -> None:
    strips = Strips(np.array([2, -1], np.float32), np.array([1, 2], np.float32))
    np.testing.assert_allclose(strips.excess(np.array([[1, 1], [3, 1], [0, 5]], np.float32)), [0, 2, 0])


def test_a_film_is_as_atypical_as_all_three_say_together(known: TrainingFilms) -> None:
    draw = np.random.default_rng(6)
    films, embedding = draw.integers(0, 256, (3, 48, 48), dtype=np.uint8), draw.uniform(0, 4, (3, 2048)).astype("f4")
    points = rooted(embedding)
    parts = (
        known.embedding.excess(known.embedding.log_distance(points)),
        known.layout.excess(known.layout.log_distance(layout_of(films))),
        np.maximum((points @ known.strips.direction - 1) / 2, 0),
    )
    np.testing.assert_allclose(known.compare(films, embedding).atypical, np.linalg.norm(parts, axis=0), rtol=1e-5)


def test_poses_are_told_as_a_viewer_sees_them() -> None:
    film = np.arange(12, dtype=np.uint8).reshape(3, 4)
    clockwise = np.asarray(Image.fromarray(film).transpose(Image.Transpose.ROTATE_270))  # PIL turns the other way
    np.testing.assert_array_equal(Pose(1).apply(film), clockwise)
    assert POSES[0] == Pose()
    assert len(set(POSES)) == 8
    for pose in POSES:
        np.testing.assert_array_equal(pose.undo(pose.apply(film)), film)


def test_layout_forgets_brightness_and_contrast() -> None:
    film = np.random.default_rng(0).integers(40, 100, (1, GRID, GRID), dtype=np.uint8).repeat(3, 1).repeat(3, 2)
    np.testing.assert_allclose(layout_of(film), layout_of(2 * film + 10), atol=1e-4)
    assert np.isfinite(layout_of(np.zeros((1, 60, 60), np.uint8))).all()


def test_findings_say_what_is_wrong_and_what_to_do() -> None:
    likeness = Likeness(
        atypical=np.array([1.0, 1.0, 4.0, 9.0, 9.0, 9.0, 9.0]),
        pose=np.array([0, 0, 0, 1, 4, 7, 2]),
        atypical_layout=np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 5.0]),
        mirrored=np.array([0.0, 2.5, 2.5, 0.0, 0.0, 0.0, 0.0]),
    )
    found = likeness.findings(3.0, 2.0)
    codes = [[finding.code for finding in film] for film in found]
    assert codes[:3] == [[], ["mirrored"], ["unlike-chest"]]
    assert codes[3:] == [["turned"], ["inverted"], ["inverted", "turned"], ["unlike-chest"]]
    assert likeness.refused(3.0).tolist() == [any(finding.refuses for finding in film) for film in found]
    assert "90°" in found[3][0].message
    assert not likeness.findings(3.0, None)[1]


def test_statistics_come_back_from_the_bundle(fitted: Bundle, known: TrainingFilms) -> None:
    assert (fitted.path / "suitability.safetensors").stat().st_size < 1e6
    assert fitted.spec.suitability.threshold == 3.0
    found = fitted.training_films
    for name, value in known.tensors().items():
        np.testing.assert_array_equal(found.tensors()[name], value)
    assert "unlike its training films" in render_card(fitted.spec)


def test_a_bundle_without_them_refuses_nothing(tiny_bundle: Bundle) -> None:
    assert tiny_bundle.training_films is None
    assert "unlike its training films" not in render_card(tiny_bundle.spec)


def test_damaged_statistics_are_found(fitted: Bundle, known: TrainingFilms) -> None:
    file = fitted.path / "suitability.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match="checksum differs"):
        assert load_bundle(fitted.path).training_films
    file.unlink()
    with pytest.raises(BundleError, match="is missing"):
        assert load_bundle(fitted.path).training_films


@pytest.mark.parametrize("change", ["lacking", "misshapen", "strips", "noise"])
def test_statistics_of_another_form_are_refused(fitted: Bundle, known: TrainingFilms, change: str) -> None:
    tensors = known.tensors()
    if change == "lacking":
        del tensors["layout.rest"]
    elif change == "strips":
        tensors["strips.direction"] = tensors["strips.direction"][1:].copy()
    else:
        tensors["embedding.axes"] = tensors["embedding.axes"][:, 1:].copy()
    with pytest.raises((KeyError, ValueError)):
        TrainingFilms.from_tensors(tensors)
    file = fitted.path / "suitability.safetensors"
    if change == "noise":
        file.write_bytes(b"no safetensors")
    else:
        save_file(tensors, file)
    rule = fitted.spec.suitability.model_copy(update={"sha256": _sha256(file)})
    changed = Bundle(fitted.path, fitted.spec.model_copy(update={"suitability": rule}))
    with pytest.raises(BundleError, match="fit the bundle's suitability again"):
        assert changed.training_films


def test_copies_are_whole_and_overwrite_nothing(fitted: Bundle, tmp_path: Path) -> None:
    copy = copy_bundle(fitted, tmp_path / "copy")
    assert copy.spec == fitted.spec
    assert copy.training_films is not None
    assert copy.sha256 == fitted.sha256
    with pytest.raises(OutputError, match="exists already"):
        copy_bundle(fitted, tmp_path / "copy")
    shutil.rmtree(copy.path)


def _sha256(file: Path) -> str:
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()
