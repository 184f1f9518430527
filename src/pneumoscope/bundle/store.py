"""Bundles on disk: a folder with ``model.safetensors``, ``bundle.json`` and ``CARD.md``. No pickle anywhere."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pneumoscope.bundle.card import render_card
from pneumoscope.bundle.spec import BundleSpec
from pneumoscope.errors import BundleError, OutputError
from pneumoscope.output import whole_folder

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from pneumoscope.network import PneumoniaNet

WEIGHTS = "model.safetensors"
SPEC = "bundle.json"
CARD = "CARD.md"
SHIPPED = Path(__file__).parent / "models"
"""Bundles that travel inside the package."""
DEFAULT = "pneumoniamnist"
"""The bundle that the name ``default`` stands for."""


@dataclass(frozen=True)
class Bundle:
    """A trained model: its folder and what it says of itself."""

    path: Path
    spec: BundleSpec

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the weights file as it lies on disk.

        Raises:
            BundleError: the weights are missing or are not those that the bundle was written with.
        """
        try:
            with (self.path / WEIGHTS).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise BundleError(f"{self.path}: {WEIGHTS} is missing; copy the bundle again") from None
        if found != self.spec.weights_sha256:
            raise BundleError(
                f"{self.path / WEIGHTS}: checksum differs from {SPEC}; the file is damaged or was changed"
            )
        return found

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """The weights as they are stored, name → values. Loads no torch.

        Raises:
            BundleError: the weights are missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        assert self.sha256  # the check comes before the weights are used
        try:
            return load_file(self.path / WEIGHTS)
        except (SafetensorError, OSError) as error:
            raise BundleError(f"{self.path / WEIGHTS}: not a readable safetensors file ({error})") from None

    def network(self) -> PneumoniaNet:
        """The network with its weights, float32, in evaluation mode. Loads torch.

        Raises:
            BundleError: the weights are damaged or do not fit.
        """
        import torch
        from safetensors.torch import load_file

        from pneumoscope.network import PneumoniaNet

        architecture = self.spec.architecture
        with torch.device("meta"):  # no random weights, which would only be overwritten
            network = PneumoniaNet(attention=architecture.attention, dropout=architecture.dropout)
        assert self.sha256  # the check comes before the weights are used
        stored = {name: tensor.float() for name, tensor in load_file(self.path / WEIGHTS).items()}
        own = network.state_dict()
        expected = {name: tensor for name, tensor in own.items() if not name.endswith("tracked")}
        if {name: tensor.shape for name, tensor in stored.items()} != {n: t.shape for n, t in expected.items()}:
            raise BundleError(f"{self.path / WEIGHTS}: the weights are not those of the network that {SPEC} describes")
        counters = {name: torch.zeros_like(tensor, device="cpu") for name, tensor in own.items() if name not in stored}
        network.load_state_dict(stored | counters, assign=True)
        return network.eval()


def load_bundle(name: str | Path) -> Bundle:
    """Open a bundle by name (shipped, or under ``bundles/`` of a checkout) or by the path of its folder.

    ``"default"`` is the bundle that commands use when none is named.

    Raises:
        BundleError: there is none, or its ``bundle.json`` is damaged or of another version.
    """
    folder = _find(DEFAULT if name == "default" else name)
    try:
        spec = BundleSpec.model_validate_json((folder / SPEC).read_bytes())
    except FileNotFoundError:
        raise BundleError(f"{folder}: no {SPEC} in this folder, so it is no bundle") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{folder / SPEC}: {where}: {first['msg']}") from None
    return Bundle(folder, spec)


def list_bundles() -> list[Bundle]:
    """All bundles that load by name."""
    found = {path.parent.name: path.parent for root in _roots() for path in sorted(root.glob(f"*/{SPEC}"))}
    return [load_bundle(folder) for folder in found.values()]


def save_bundle(spec: BundleSpec, weights: Mapping[str, Tensor], folder: Path) -> Bundle:
    """Write a bundle. Convolutions and dense layers are stored as float16, BatchNorm as float32.

    The folder appears whole or not at all.

    Raises:
        OutputError: ``folder`` exists, or cannot be written.
    """
    import torch
    from safetensors.torch import save_file

    if folder.exists():
        raise OutputError(f"{folder}: exists already; choose another place or remove it first")
    kept = {
        name: tensor.detach().to(torch.float16 if tensor.ndim > 1 else torch.float32).cpu().contiguous()
        for name, tensor in weights.items()
        if not name.endswith("num_batches_tracked")
    }
    with whole_folder(folder) as draft:
        save_file(kept, draft / WEIGHTS)
        (draft / WEIGHTS).chmod(0o644)  # safetensors lets nobody else read what it writes
        digest = hashlib.sha256((draft / WEIGHTS).read_bytes()).hexdigest()
        write_spec(spec.model_copy(update={"weights_sha256": digest}), draft)
    return load_bundle(folder)


def write_spec(spec: BundleSpec, folder: Path) -> None:
    """Write ``bundle.json`` and the card made from it, each in one step."""
    contents = {SPEC: json.dumps(spec.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"}
    contents[CARD] = render_card(spec)
    for name, text in contents.items():
        draft = folder / f".{name}.part"
        draft.write_text(text, encoding="utf-8")
        draft.replace(folder / name)


def _roots() -> list[Path]:
    checkout = Path(__file__).parents[3] / "bundles"
    extra = os.environ.get("PNEUMOSCOPE_BUNDLES")
    return [root for root in (Path(extra) if extra else None, checkout, SHIPPED) if root and root.is_dir()]


def _find(name: str | Path) -> Path:
    for root in _roots():
        if (root / name / SPEC).is_file() and len(Path(name).parts) == 1:
            return root / name
    if Path(name).is_dir():
        return Path(name)
    known = ", ".join(sorted({path.parent.name for root in _roots() for path in root.glob(f"*/{SPEC}")})) or "none"
    raise BundleError(f"{name}: no bundle of that name and no such folder; by name there are: {known}")
