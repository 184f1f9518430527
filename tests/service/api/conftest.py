"""The service around a model that reads the films' brightness, in this process and behind a real socket."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image

from pneumoscope.bundle import Bundle, BundleSpec, InputSpec, OperatingPoint
from pneumoscope.scoring import Predictor, Scores
from pneumoscope.service.api import Settings, create_app
from pneumoscope.service.store import Store


class GatedRuntime:
    """Calls a film pneumonia by its mean brightness, when its gate is open; remembers the sizes of its batches."""

    name = "mean"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, batch: np.ndarray) -> Scores:
        self.batches.append(len(batch))
        assert self.gate.wait(60)
        mean = batch.mean((1, 2, 3), dtype=np.float32) / 255
        saliency = np.zeros((len(batch), 3, 3), np.float32)
        saliency[:, 0, 2] = 1
        return Scores((mean - 0.5) * 20, saliency, np.zeros((len(batch), 2048), np.float32))


@pytest.fixture
def runtime() -> GatedRuntime:
    return GatedRuntime()


@pytest.fixture
def predictor(tmp_path: Path, runtime: GatedRuntime, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    monkeypatch.setattr(Bundle, "sha256", "ab" * 32)
    spec = BundleSpec(
        name="mean",
        created="2025-01-01T00:00:00Z",
        software="test",
        input=InputSpec(size=107),
        operating_points=(OperatingPoint(name="half", threshold=0.5),),
        weights_sha256="ab" * 32,
    )
    return Predictor(Bundle(tmp_path, spec), runtime=runtime, batch_size=4)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(state=tmp_path / "state")
    yield store
    store.close()


@pytest.fixture
def key(store: Store) -> str:
    return store.keys.create("everything", ["predict", "read", "metrics"])


Serve = Callable[..., str]


@pytest.fixture
def live(predictor: Predictor, store: Store) -> Iterator[Serve]:
    """Starts the service behind a socket, with settings as they are given, and returns its address."""
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(**settings: Any) -> str:
        app = create_app(predictor, store, Settings(authentication=False, **settings))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, http="h11", ws="none", lifespan="on"))
        thread = threading.Thread(target=server.run)
        thread.start()
        servers.append((server, thread))
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def png(brightness: float = 0.6, side: int = 120) -> bytes:
    """A film of that mean brightness, with contrast."""
    stripes = np.where(np.arange(side) // 6 % 2, 40, -40)[None].repeat(side, 0)
    buffer = io.BytesIO()
    Image.fromarray((255 * brightness + stripes).clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def films(*contents: bytes, name: str = "film.png") -> list[tuple[str, tuple[str, bytes]]]:
    """Parts of a request."""
    return [("films", (name, content)) for content in contents]
