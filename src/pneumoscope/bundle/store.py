"""Bundles on disk: a folder with ``model.safetensors``, ``bundle.json`` and ``CARD.md``. No pickle anywhere.

Where the model's training films were looked at for it, ``suitability.safetensors`` says what they look like.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pneumoscope.bundle.card import render_card
from pneumoscope.bundle.spec import BundleSpec, Suitability
from pneumoscope.bundle.suitability import TrainingFilms
from pneumoscope.errors import BundleError, OutputError
from pneumoscope.output import whole_folder

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from pneumoscope.network import PneumoniaNet

WEIGHTS = "model.safetensors"
STATISTICS = "suitability.safetensors"
SPEC = "bundle.json"
CARD = "CARD.md"
SHIPPED = Path(__file__).parent / "models"
"""Bundles that travel inside the package."""
DEFAULT = "cross-domain"
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

    @cached_property
    def training_films(self) -> TrainingFilms | None:
        """What the training films look like; None for a bundle that was not fitted with it.

        Raises:
            BundleError: the file is missing, damaged, or not the one that the bundle was written with.
        """
        if self.spec.suitability.threshold is None:
            return None
        from safetensors import SafetensorError
        from safetensors.numpy import load

        file = self.path / STATISTICS
        try:
            content = file.read_bytes()
            if hashlib.sha256(content).hexdigest() != self.spec.suitability.sha256:
                raise BundleError(f"{file}: checksum differs from {SPEC}; the file is damaged or was changed")
            return TrainingFilms.from_tensors(load(content))
        except FileNotFoundError:
            raise BundleError(f"{self.path}: {STATISTICS} is missing; copy the bundle again") from None
        except (SafetensorError, KeyError, ValueError):
            raise BundleError(
                f"{file}: holds no statistics of training films; fit the bundle's suitability again"
            ) from None

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

    They are rounded to bfloat16 on the way, the precision that fast engines compute in anyway: the last three bits
    of float16 then are zero, so that a download packs a sixth smaller.

    The folder appears whole or not at all.

    Raises:
        OutputError: ``folder`` exists, or cannot be written.
    """
    from safetensors.torch import save_file

    if folder.exists():
        raise OutputError(f"{folder}: exists already; choose another place or remove it first")
    kept = {
        name: (tensor.detach().bfloat16().half() if tensor.ndim > 1 else tensor.detach().float()).cpu().contiguous()
        for name, tensor in weights.items()
        if not name.endswith("num_batches_tracked")
    }
    with whole_folder(folder) as draft:
        save_file(kept, draft / WEIGHTS)
        (draft / WEIGHTS).chmod(0o644)  # safetensors lets nobody else read what it writes
        digest = hashlib.sha256((draft / WEIGHTS).read_bytes()).hexdigest()
        write_spec(spec.model_copy(update={"weights_sha256": digest}), draft)
    return load_bundle(folder)


def copy_bundle(bundle: Bundle, folder: Path, spec: BundleSpec | None = None) -> Bundle:
    """Copy a bundle's files, as they are, to a new folder, which appears whole or not at all.

    Args:
        bundle: what to copy.
        folder: must not exist.
        spec: of the copy, where it is another.

    Raises:
        OutputError: ``folder`` exists, or cannot be written.
        BundleError: the weights are missing or damaged.
    """
    if folder.exists():
        raise OutputError(f"{folder}: exists already; choose another place or remove it first")
    digest = bundle.sha256  # a damaged bundle is not passed on
    with whole_folder(folder) as draft:
        for name in (WEIGHTS, STATISTICS):
            if (bundle.path / name).is_file():
                shutil.copyfile(bundle.path / name, draft / name)
        write_spec((spec or bundle.spec).model_copy(update={"weights_sha256": digest}), draft)
    return load_bundle(folder)


def write_suitability(bundle: Bundle, films: TrainingFilms, rule: Suitability) -> Bundle:
    """Add what the training films look like, and the rule by which films are refused, to a bundle's folder.

    The statistics come first, so that a bundle whose writing was cut short says so by their checksum.

    Raises:
        OutputError: the folder cannot be written.
    """
    from safetensors.numpy import save

    content = save(films.tensors())
    rule = rule.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
    draft = bundle.path / f".{STATISTICS}.part"
    try:
        draft.write_bytes(content)
        draft.replace(bundle.path / STATISTICS)
        write_spec(bundle.spec.model_copy(update={"suitability": rule}), bundle.path)
    except OSError as error:
        raise OutputError(f"{bundle.path}: cannot be written ({error.strerror})") from None
    return load_bundle(bundle.path)


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
