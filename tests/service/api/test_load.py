"""Many clients at once, and clients that misbehave, on a real socket."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
from pydicom.data import get_testdata_file

from pneumoscope.service.store import Store

from .conftest import GatedRuntime, Serve, films, png
from .test_predictions import HEAD, bomb

POST = (
    "POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    "Content-Length: {length}\r\n\r\n"
)


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_films_of_many_clients_are_scored_together(live: Serve, runtime: GatedRuntime) -> None:
    base = live()
    runtime.gate.clear()
    with ThreadPoolExecutor(9) as pool:
        answers = [
            pool.submit(requests.post, f"{base}/v1/predictions", files=films(png(0.3 + n / 20))) for n in range(9)
        ]
        wait_for(lambda: len(runtime.batches) == 2)  # the film of the start, and the first that was taken
        time.sleep(0.3)
        runtime.gate.set()
        said = [answer.result().json()["predictions"][0]["prediction"] for answer in answers]
    probabilities = [prediction["probability"] for prediction in said]
    assert probabilities == sorted(probabilities), "each client has its own film's answer"
    assert sum(runtime.batches) == 1 + 9
    assert max(runtime.batches) == 4


def test_a_full_queue_and_full_memory_are_said_so(live: Serve, runtime: GatedRuntime) -> None:
    base = live(queue=3, films=3, bodies=200_000, body=100_000)
    runtime.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        accepted = [pool.submit(requests.post, f"{base}/v1/predictions", files=films(png(), png())) for _ in range(1)]
        wait_for(lambda: len(runtime.batches) == 2)
        refused = requests.post(f"{base}/v1/predictions", files=films(png(), png()))
        assert (refused.status_code, refused.json()["code"]) == (429, "busy")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        large = films(png(), os.urandom(90_000))
        with socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2]))) as hoarder:
            hoarder.sendall(POST.format(length=99_000).encode() + b"--x")
            time.sleep(0.2)
            assert requests.post(f"{base}/v1/predictions", files=large).status_code == 429
        runtime.gate.set()
        assert [answer.result().status_code for answer in accepted] == [200]
    assert requests.post(f"{base}/v1/predictions", files=films(png(), png(), png())).status_code == 200


def test_slow_and_vanishing_clients(live: Serve, runtime: GatedRuntime, store: Store) -> None:
    base = live(body_seconds=0.5)
    address = ("127.0.0.1", int(base.rpartition(":")[2]))
    with socket.create_connection(address) as slow:
        slow.sendall(POST.format(length=5000).encode() + HEAD)
        answer = slow.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408")
    with socket.create_connection(address) as gone:
        gone.sendall(POST.format(length=5000).encode() + HEAD)
    runtime.gate.clear()
    body = HEAD + png() + b"\r\n--x--\r\n"
    request = POST.format(length=len(body)).encode() + body
    impatient = [socket.create_connection(address) for _ in range(12)]
    for client in impatient:
        client.sendall(request)
    wait_for(lambda: len(runtime.batches) == 2)
    time.sleep(0.3)
    for client in impatient:
        client.close()
    time.sleep(0.3)
    runtime.gate.set()
    assert requests.post(f"{base}/v1/predictions", files=films(png())).status_code == 200
    # Films of the impatient that a worker had not taken yet were left alone, and nothing of theirs is on record.
    assert sum(runtime.batches) < 1 + 12 + 1
    assert len(list(store.records())) == 1


def test_what_takes_too_long_is_given_up(live: Serve, runtime: GatedRuntime) -> None:
    base = live(answer_seconds=0.3)
    runtime.gate.clear()
    answer = requests.post(f"{base}/v1/predictions", files=films(png()))
    assert (answer.status_code, answer.json()["code"]) == (503, "timeout")
    runtime.gate.set()


def test_a_failing_network_fails_its_requests_alone(
    live: Serve, runtime: GatedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = live()
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "run", lambda batch: 1 / 0)
        assert requests.post(f"{base}/v1/predictions", files=films(png())).status_code == 500
    assert requests.post(f"{base}/v1/predictions", files=films(png())).status_code == 200


def test_a_short_soak(live: Serve, tmp_path: Path) -> None:
    """Some seconds of what benchmarks/soak.py does for half an hour."""
    base = live(body=300_000, queue=16)
    files = {Path(entry.path) for entry in psutil.Process().open_files()}
    draw = random.Random(0)
    good, huge = [png(0.3 + n / 30, side=224) for n in range(10)], bytes(400_000)
    counts: Counter[tuple[str, int]] = Counter()

    def client(number: int) -> None:
        with requests.Session() as session:
            for _ in range(40):
                kind = draw.choices(("good", "malformed", "bomb", "huge"), (90, 4, 3, 3))[0]
                content = {"good": draw.choice(good), "malformed": good[0][:200], "bomb": bomb(), "huge": huge}[kind]
                try:
                    answer = session.post(f"{base}/v1/predictions", files=films(content), timeout=60)
                    counts[kind, answer.status_code] += 1
                except requests.ConnectionError:
                    counts[kind, 0] += 1  # the answer to a huge upload may come while it is still being sent

    client(0)
    before = psutil.Process().memory_info().rss
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(client, range(4)))
    assert {status for kind, status in counts if kind == "good"} <= {200, 429}
    assert counts["good", 200] > 100
    assert {status for kind, status in counts if kind in ("malformed", "bomb")} <= {422, 429}
    assert {status for kind, status in counts if kind == "huge"} <= {413, 0}
    assert psutil.Process().memory_info().rss - before < 60e6
    left = {Path(entry.path) for entry in psutil.Process().open_files()} - files
    assert all("records.sqlite" in path.name for path in left), left


def test_the_command_finishes_what_it_accepted(tmp_path: Path) -> None:
    """The shipped model behind ``pneumoscope serve``, which is told to stop while it scores."""
    environment = os.environ | {"PNEUMOSCOPE_STATE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pneumoscope", "serve", "--no-auth", "--port", "0", "--max-films", "8"]
    film = Path(str(get_testdata_file("RG1_UNCI.dcm", download=False))).read_bytes()
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as service:
        lines = []

        def read() -> None:
            lines.extend(json.loads(line) for line in service.stderr)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            wait_for(lambda: any("running on" in line["event"] for line in lines) or service.poll() is not None, 300)
            assert service.poll() is None, lines
            started = next(line["event"] for line in lines if "running on" in line["event"])
            base = started.split()[3]
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(requests.post, f"{base}/v1/predictions", files=films(*[film] * 4), timeout=300)
                wait_for(lambda: "waiting_films 4" in requests.get(f"{base}/metrics").text or answer.done(), 300)
                service.send_signal(signal.SIGTERM)
                assert answer.result().status_code == 200
            assert len(answer.result().json()["predictions"]) == 4
            assert service.wait(300) in (0, -signal.SIGTERM)
        finally:
            service.kill()
            reader.join(30)
    store = Store(state=tmp_path)
    assert len(list(store.records())) == 4, "what was answered is on record"
    store.close()
    assert all("level" in line for line in lines), "every line of the log is JSON"
