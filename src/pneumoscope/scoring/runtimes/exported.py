"""A network that was exported: its graph beside what it was made from and what was measured on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pneumoscope.bundle import Bundle
from pneumoscope.errors import BundleError
from pneumoscope.scoring.runtimes.openvino import OpenVinoRuntime

if TYPE_CHECKING:
    from openvino import Model

RECORD = "runtime.json"
GRAPHS = {"openvino": "model.xml", "onnx": "model.onnx"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Gates(_Part):
    """How far an exported network's scores are from the bundle's own in float32, on the same films."""

    data: str = Field(description="the films, none of which the quantisation saw")
    films: int
    auc_loss: float | None = Field(
        description="ROC AUC of float32 less that of this network; null without both classes"
    )
    probability_shift: float = Field(description="99th percentile of the change of the calibrated probability")
    same_decisions: float = Field(description="share of films, at the default operating point")
    passed: bool


class Exported(_Part):
    """What ``runtime.json`` says."""

    format: Literal[1] = 1
    engine: Literal["openvino", "onnx"]
    precision: Literal["f32", "bf16", "int8"]
    bundle: str
    weights_sha256: str = Field(description="of the bundle that it was made from")
    size: int = Field(description="side of the input in pixels")
    software: str = Field(description="version of Pneumoscope that wrote it")
    written_with: str = Field(description="libraries and versions")
    gates: Gates | None = None


def read_exported(folder: Path) -> Exported:
    """What an exported network says of itself.

    Raises:
        BundleError: the folder holds none, or a damaged one.
    """
    try:
        return Exported.model_validate_json((folder / RECORD).read_bytes())
    except FileNotFoundError:
        raise BundleError(f"{folder}: no {RECORD} in this folder; make one with: pneumoscope export") from None
    except (ValidationError, OSError) as error:
        raise BundleError(f"{folder / RECORD}: damaged ({error}); export the network again") from None


def open_exported(folder: Path, bundle: Bundle, *, threads: int | None = None) -> OpenVinoRuntime:
    """Run an exported network, of either engine, with OpenVINO.

    Args:
        folder: written by ``pneumoscope export``.
        bundle: the trained model that it was made from; calibration and thresholds are that one's.
        threads: processors to use; None takes all.

    Raises:
        BundleError: the folder holds none, or that of another bundle.
    """
    record = read_exported(folder)
    if record.weights_sha256 != bundle.sha256:
        raise BundleError(
            f"{folder}: made from {record.bundle} ({record.weights_sha256[:12]}), not from {bundle.spec.name} "
            f"({bundle.sha256[:12]}); name its own bundle, or export this one"
        )
    return OpenVinoRuntime(
        bundle,
        precision="bf16" if record.precision == "bf16" else "f32",
        threads=threads,
        model=_read_graph(folder / GRAPHS[record.engine]),
        label=f"{record.precision} ({record.engine})" if record.engine == "onnx" else record.precision,
    )


def _read_graph(file: Path) -> Model:
    import openvino as ov

    try:
        return ov.Core().read_model(file)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise BundleError(f"{file}: missing or damaged ({reason}); export the network again") from None
