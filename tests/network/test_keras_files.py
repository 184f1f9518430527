"""Keras is the independent implementation here: the same weights must give the same numbers."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from pneumoscope.errors import NetworkError, OutputError
from pneumoscope.network import SCALINGS, InceptionTrunk, fold_grey, load_initial_weights, load_trunk, read_keras
from pneumoscope.workflow import import_keras

# Keras turns torch tensors into arrays in a way that NumPy is about to give up.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIDE = 107


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    os.environ["KERAS_BACKEND"] = "torch"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a third party, at import
        import keras
    yield keras
    keras.backend.clear_session()


@pytest.fixture(scope="module")
def model(keras: Any) -> Any:
    """The study's model with random weights and statistics, in a session that made another one before."""
    keras.utils.set_random_seed(1)
    keras.layers.Conv2D(3, 3)
    keras.layers.BatchNormalization()
    base = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    draw = np.random.default_rng(0)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.moving_mean.shape
            layer.moving_mean.assign(draw.normal(0, 0.1, size))
            layer.moving_variance.assign(draw.uniform(0.5, 1.5, size))
            layer.beta.assign(draw.normal(0, 0.3, size))
        elif isinstance(layer, keras.layers.Conv2D):
            shape = layer.kernel.shape
            layer.kernel.assign(draw.normal(0, np.sqrt(2 / np.prod(shape[:3])), shape))
    return _with_head(keras, base.input, base.output)


def _with_head(keras: Any, entry: Any, features: Any, hidden: int = 1024) -> Any:
    pooled = keras.layers.Dropout(0.4)(keras.layers.GlobalAveragePooling2D()(features))
    dense = keras.layers.Dense(hidden, activation="relu", bias_initializer="normal")(pooled)
    return keras.Model(entry, keras.layers.Dense(1, activation="sigmoid", bias_initializer="ones")(dense))


@pytest.fixture(scope="module")
def nested(keras: Any, model: Any) -> Any:
    """The same weights, InceptionV3 as one layer."""
    base = keras.Model(model.input, model.get_layer("mixed10").output)
    entry = keras.Input((SIDE, SIDE, 3))
    outer = _with_head(keras, entry, base(entry))
    for ours, theirs in zip(outer.layers[-2:], model.layers[-2:], strict=True):
        ours.set_weights(theirs.get_weights())
    return outer


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    """Noise in three strengths."""
    noise = np.random.default_rng(1).random((3, SIDE, SIDE), dtype=np.float32)
    return noise * np.array([0.2, 0.6, 1.0], dtype=np.float32)[:, None, None]


def _save(keras_model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras calls .h5 a legacy form
        keras_model.save(path)
    return path


@pytest.mark.parametrize(
    ("form", "suffix", "scaling"),
    [
        ("model", ".h5", "unit"),
        ("model", ".keras", "tensorflow"),
        ("nested", ".h5", "tensorflow"),
        ("nested", ".keras", "unit"),
    ],
)
def test_an_imported_model_gives_keras_probabilities(
    tmp_path: Path, request: pytest.FixtureRequest, films: np.ndarray, form: str, suffix: str, scaling: str
) -> None:
    theirs = request.getfixturevalue(form)
    path = _save(theirs, tmp_path / f"Study model{suffix}")
    bundle = import_keras(path, tmp_path / "bundle", scaling=scaling, name=None, size=SIDE, fit="crop")
    fed = films if scaling == "unit" else 2 * films - 1
    expected = theirs.predict(np.repeat(fed[..., None], 3, axis=3), verbose=0)[:, 0]
    with torch.inference_mode():
        logits = load_exact(path, scaling)(torch.from_numpy(films)[:, None])
        stored = bundle.network()(torch.from_numpy(films)[:, None])
    np.testing.assert_allclose(torch.sigmoid(logits).numpy(), expected, atol=1e-4)
    # On disk convolutions have half precision.
    np.testing.assert_allclose(torch.sigmoid(stored).numpy(), expected, atol=5e-3)
    assert bundle.spec.name == "study-model"
    assert bundle.spec.architecture.dropout == pytest.approx(0.4)
    assert bundle.spec.operating_point().threshold == 0.5
    assert np.ptp(expected) > 1e-2, "films must be told apart for this to say anything"


def load_exact(path: Path, scaling: str) -> Any:
    """The imported network before its weights are stored as float16."""
    from pneumoscope.network import PneumoniaNet

    model, network = read_keras(path), PneumoniaNet()
    load_trunk(network.trunk, fold_grey(model.trunk, SCALINGS[scaling]), origin="test")
    network.load_state_dict(network.state_dict() | model.head)
    return network.eval()


def test_the_trunk_equals_keras_applications(tmp_path: Path, keras: Any, model: Any, films: np.ndarray) -> None:
    features = keras.Model(model.input, model.get_layer("mixed10").output)
    path = _save(features, tmp_path / "trunk.keras")
    assert read_keras(path).head == {}
    weights = load_initial_weights(str(path), scaling="tensorflow")
    assert weights.provenance["source"] == "trunk.keras"
    trunk = InceptionTrunk().eval()
    load_trunk(trunk, weights.tensors, origin="test")
    with torch.inference_mode():
        ours = trunk(torch.from_numpy(films)[:, None]).permute(0, 2, 3, 1).numpy()
    theirs = features.predict(np.repeat(2 * films[..., None] - 1, 3, axis=3), verbose=0)
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)
    with pytest.raises(NetworkError, match="has no head"):
        import_keras(path, tmp_path / "bundle", scaling="unit", name=None, size=SIDE, fit="crop")


def test_other_networks_are_refused(tmp_path: Path, keras: Any, model: Any) -> None:
    entry = keras.Input((8, 8, 1))
    small = keras.Model(entry, keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(entry)))
    with pytest.raises(NetworkError, match="layers Flatten"):
        read_keras(_save(small, tmp_path / "small.keras"))
    pooled = keras.layers.GlobalAveragePooling2D()(entry)
    bare = keras.Model(entry, keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dense(3, "relu")(pooled)))
    with pytest.raises(NetworkError, match="has 0 convolutions"):
        read_keras(_save(bare, tmp_path / "bare.h5"))
    narrow = _with_head(keras, model.input, model.get_layer("mixed10").output, hidden=16)
    with pytest.raises(NetworkError, match="2048×16"):
        read_keras(_save(narrow, tmp_path / "narrow.keras"))
    softmax = keras.Model(model.input, keras.layers.Dense(2, activation="softmax")(model.layers[-2].output))
    with pytest.raises(NetworkError, match="should have sigmoid"):
        read_keras(_save(softmax, tmp_path / "softmax.h5"))


def test_what_is_no_keras_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no such weights file"):
        read_keras(tmp_path / "none.h5")
    fake = tmp_path / "fake.h5"
    fake.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(NetworkError, match="not a readable Keras file"):
        read_keras(fake)
    archive = tmp_path / "empty.keras"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("config.json", json.dumps({"config": {}}))
    with pytest.raises(NetworkError, match="not a readable Keras file"):
        read_keras(archive)


def test_an_archive_that_says_it_is_huge_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("config.json", "{}")
        with opened.open("model.weights.h5", "w", force_zip64=True) as part:
            for _ in range(1025):
                part.write(bytes(1 << 20))
    with pytest.raises(NetworkError, match="refused"):
        read_keras(path)


def test_weights_that_lie_in_other_files_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(4096))
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        group = file.create_group("dense")
        group.create_dataset("dense/kernel:0", (1024, 1), "f4", external=[(str(secret), 0, 4096)])
        group.attrs["weight_names"] = [b"dense/kernel:0"]
        file.attrs["layer_names"] = [b"dense"]
    path = tmp_path / "outside.h5"
    path.write_bytes(content.getvalue())
    with pytest.raises(NetworkError, match="lies in another file"):
        read_keras(path)


def test_import_refuses_wrong_settings_and_places(tmp_path: Path, model: Any) -> None:
    path = _save(model, tmp_path / "m.keras")
    with pytest.raises(NetworkError, match="no scaling 'half'"):
        import_keras(path, tmp_path / "b", scaling="half", name=None, size=SIDE, fit="crop")
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="exists"):
        import_keras(path, tmp_path / "there", scaling="unit", name=None, size=SIDE, fit="crop")
