"""The engines that run a bundle's network: OpenVINO on a CPU, PyTorch on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from pneumoscope.bundle import Bundle
from pneumoscope.errors import BundleError
from pneumoscope.scoring.runtime import Runtime
from pneumoscope.scoring.runtimes.openvino import OpenVinoRuntime
from pneumoscope.scoring.runtimes.precision import Precision
from pneumoscope.scoring.runtimes.pytorch import TorchRuntime

__all__ = ["OpenVinoRuntime", "Precision", "TorchRuntime", "open_runtime"]


def open_runtime(
    bundle: Bundle, name: str = "openvino", *, precision: str = "f32", threads: int | None = None
) -> Runtime:
    """The runtime of that name.

    Args:
        bundle: the trained model.
        name: ``openvino`` (CPU), ``torch`` (a GPU where there is one) or the folder of an exported network.
        precision: one of :data:`Precision`. An exported network has its own.
        threads: processors to use, of OpenVINO; None takes all.

    Raises:
        BundleError: there is no such runtime or precision, or an exported network is not of this bundle.
    """
    chosen: Precision | None = next((known for known in get_args(Precision) if known == precision), None)
    if chosen is None:
        raise BundleError(f"there is no precision {precision!r}; choose one of {', '.join(get_args(Precision))}")
    if name == "openvino":
        return OpenVinoRuntime(bundle, precision=chosen, threads=threads)
    if name == "torch":
        return TorchRuntime(bundle, precision=chosen)
    from pneumoscope.scoring.runtimes.exported import open_exported

    if Path(name).is_dir():
        return open_exported(Path(name), bundle, threads=threads)
    raise BundleError(f"{name}: no runtime of that name; choose openvino, torch, or the folder of an exported network")
