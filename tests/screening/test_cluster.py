"""On a Ray cluster of several nodes, all on this machine, of which one worker is killed in the middle of the work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pneumoscope.bundle import Bundle
from pneumoscope.screening import Options, RunFolder, screen

psutil = pytest.importorskip("psutil", reason="psutil is not installed")
ray = pytest.importorskip("ray", reason="Ray is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own, at import and shutdown, are not ours to mend


@pytest.fixture
def cluster() -> Iterator[None]:
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        made.add_node(num_cpus=1)
        ray.init(address=made.address, log_to_driver=False, logging_level="WARNING")
        yield
    finally:
        ray.shutdown()
        made.shutdown()


def table(out: Path) -> list[dict[str, object]]:
    rows = [row for path in sorted((out / "parts").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return [{key: value for key, value in row.items() if key != "elapsed_ms"} for row in rows]


@pytest.mark.usefixtures("cluster")
def test_a_killed_worker_changes_nothing(archive: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    killed: list[int] = []
    folder = RunFolder(tmp_path / "cluster")

    def begin(done: int, to_do: int) -> object:
        return kill_a_worker

    def kill_a_worker(done: int) -> None:
        if not killed:
            ours = psutil.Process().children(recursive=True)
            (worker, *_) = [child for child in ours if "_Worker" in " ".join(child.cmdline())]
            killed.append(worker.pid)
            worker.kill()

    options = Options(part_size=2, engine="ray", workers=2)
    summary = screen(str(archive), tiny_bundle, folder.path, options, progress=begin)  # type: ignore[arg-type]
    assert killed
    assert summary.done == 20
    screen(str(archive), tiny_bundle, tmp_path / "local", Options(part_size=2, workers=1))
    assert table(folder.path) == table(tmp_path / "local")
