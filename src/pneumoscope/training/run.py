"""A whole training run in a folder: phases one after the other, each of which can be killed and resumed."""

from __future__ import annotations

import json
import logging
import platform
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader

from pneumoscope.errors import OutputError, TrainingError
from pneumoscope.network import Head, PneumoniaNet
from pneumoscope.progress import progress_bar
from pneumoscope.training.augment import build_augmentation
from pneumoscope.training.cache import Activations, cache_activations
from pneumoscope.training.films import EpochOrder, FilmBatches
from pneumoscope.training.frozen import FrozenStages
from pneumoscope.training.hardware import resolve_precision
from pneumoscope.training.loss import class_weights
from pneumoscope.training.module import Curve, ExponentialAverage, PhaseModule
from pneumoscope.training.processes import barrier, count, rank, trainer_options
from pneumoscope.training.recipe import Augmentation, Phase, Recipe

INDEX = "run.json"
WEIGHTS = "weights.safetensors"
VALIDATION_BATCH = 64


@dataclass(frozen=True)
class Films:
    """One split as arrays: ``pixels`` (N, S, S) uint8, ``labels`` (N,) of 0 and 1, ``groups`` (N,) to balance in."""

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64] | None = None


class TrainingRun:
    """A run folder.

    ::

        run.json            recipe, provenance, precision: all that is needed to repeat the run
        curve.csv, .svg     one row an epoch, written while the run goes on
        phase-1/ …          last.ckpt and best.ckpt while the phase runs, then weights.safetensors

    Args:
        folder: where the run lives. A folder with a run of the same recipe and data is resumed.
        provenance: what the films and starting weights were; must be the same on resuming.

    Raises:
        OutputError: the folder holds something else, or another run.
    """

    def __init__(self, folder: Path, recipe: Recipe, provenance: Mapping[str, Any]):
        self.folder = folder
        self.recipe = recipe
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        identity = {"recipe": recipe.model_dump(mode="json"), **provenance}
        index = folder / INDEX
        if index.exists():
            known = json.loads(index.read_text(encoding="utf-8"))
            changed = [key for key in identity if known.get(key) != json.loads(json.dumps(identity[key]))]
            if changed:
                raise OutputError(
                    f"{folder}: holds a run with another {' and '.join(changed)}; choose another --out to start anew"
                )
            self.precision = getattr(torch, known["precision"])
        elif folder.exists() and any(folder.iterdir()):
            raise OutputError(f"{folder}: exists and holds no training run; choose another --out")
        else:
            self.precision = resolve_precision(recipe.precision, self.device)
            machine = {"python": platform.python_version(), "torch": torch.__version__, "processor": _processor()}
            record = {**identity, "precision": str(self.precision).removeprefix("torch."), "machine": machine}
            _write(index, json.dumps(record, indent=2) + "\n")

    def train(self, network: PneumoniaNet, training: Films, validation: Films) -> PneumoniaNet:
        """Run what is not done yet, and return the network with the last phase's weights.

        ``network`` holds the starting weights and is changed. Progress goes to standard error.

        Raises:
            TrainingError: the disk is full, or the loss became infinite. What was reached is kept.
        """
        network.to(self.device).channels_last()
        for number, phase in enumerate(self.recipe.phases, start=1):
            if phase.epochs:
                self._phase(number, phase, network, training, validation)
        return network.eval()

    def logits(
        self,
        network: PneumoniaNet,
        films: Films,
        *,
        views: int = 1,
        changes: Augmentation | None = None,
        dropout: int = 0,
        dtype: torch.dtype = torch.float32,
        progress: Callable[[int], Any] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Logits, (views, N): of the films as they are, then of each changed.

        Args:
            network: from :meth:`train`.
            films: what to score.
            views: at least 1.
            changes: how the second and later views differ from the films; None changes as the recipe does.
            dropout: passes of the head with units of the embedding dropped, over whose mean probability the logit is
                taken; 0 is one pass with all of them. The trunk is run once.
            dtype: what convolutions run in.
            progress: called with the number of films done since the last call.
        """
        network.eval()
        batches = FilmBatches(films.pixels[None], films.labels)
        changes = changes or self.recipe.augmentation
        augment = build_augmentation(changes.model_copy(update={"share": 1.0}))
        result = np.empty((views, len(films.labels)))
        with torch.inference_mode(), torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            for view in range(views):
                torch.manual_seed(self.recipe.seed * 1000 + view)
                for rows in _slices(len(films.labels)):
                    batch = batches[rows][0][:, None].to(self.device)
                    batch = augment(batch) if view else batch
                    embedding = network.encode(batch.contiguous(memory_format=torch.channels_last), "head")
                    logits = _with_dropout(network.head, embedding, dropout) if dropout else network.head(embedding)
                    result[view, rows] = logits.float().cpu().numpy()
                    if progress:
                        progress(len(rows))
        return result

    def _phase(self, number: int, phase: Phase, network: PneumoniaNet, training: Films, validation: Films) -> None:
        folder = self.folder / f"phase-{number}"
        done = folder / WEIGHTS
        if not done.exists():
            folder.mkdir(exist_ok=True)
            self._fit(number, phase, network, training, validation)
            if rank() == 0:
                self._keep(phase, network, folder)
            barrier()
        network.load_state_dict(load_file(done))

    def _fit(self, number: int, phase: Phase, network: PneumoniaNet, training: Films, validation: Films) -> None:
        folder = self.folder / f"phase-{number}"
        seed = self.recipe.seed * 1000 + number
        torch.manual_seed(seed)
        network.unfreeze_from(phase.unfreeze, batch_norm=self.recipe.network.batch_norm == "train")
        weights = class_weights(torch.from_numpy(training.labels)) if self.recipe.balance.class_weights else (1.0, 1.0)
        with _full_disk(folder):
            module = PhaseModule(network, self.recipe, phase, weights=weights, seed=seed)
            loaders = self._loaders(folder, phase, network, training, validation, seed)
            network.train()  # the trainer takes modules in the mode that it finds them in
            last = folder / "last.ckpt"
            with _quiet_lightning(), _interruptible():
                trainer = self._trainer(number, phase, folder)
                trainer.fit(module, *loaders, ckpt_path=str(last) if last.exists() else None, weights_only=True)
            network.to(self.device)  # the trainer leaves it on the CPU

    def _keep(self, phase: Phase, network: PneumoniaNet, folder: Path) -> None:
        """Write the weights of a phase that has ended, and remove what it worked with."""
        with _full_disk(folder):
            if phase.keep == "best":
                state = torch.load(folder / "best.ckpt", weights_only=True, map_location="cpu")["state_dict"]
                network.load_state_dict(_of_network(state))
            if not all(bool(parameter.isfinite().all()) for parameter in network.parameters()):
                raise TrainingError(f"{folder}: the weights became infinite; lower the learning rate of this phase")
            draft = folder / "weights.part"
            save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, draft)
            draft.replace(folder / WEIGHTS)
        for leftover in (*folder.glob("*.ckpt"), *folder.glob("*.npy")):
            leftover.unlink()

    def _loaders(
        self, folder: Path, phase: Phase, network: PneumoniaNet, training: Films, validation: Films, seed: int
    ) -> tuple[DataLoader[Any], DataLoader[Any]]:
        inputs: dict[str, npt.NDArray[Any] | Activations] = {}
        stages = FrozenStages(network, training.pixels.shape[-1], self.device, self.precision)
        for name, films in (("training", training), ("validation", validation)):
            inputs[name] = films.pixels[None]
            if phase.cached_views:
                file = folder / f"{name}.npy"
                if rank() == 0:
                    self._cache(file, stages, films, phase.cached_views if name == "training" else 1, seed)
                barrier()
                inputs[name] = Activations(file)
        order = EpochOrder(
            training.labels,
            batch_size=self.recipe.batch_size,
            seed=seed,
            views=inputs["training"].shape[0],
            oversample=self.recipe.balance.oversample,
            groups=training.groups,
            rank=rank(),
            processes=count(),
        )
        return (
            DataLoader(FilmBatches(inputs["training"], training.labels), sampler=order, batch_size=None),
            DataLoader(
                FilmBatches(inputs["validation"], validation.labels),
                sampler=_slices(len(validation.labels)),
                batch_size=None,
            ),
        )

    def _cache(self, file: Path, stages: FrozenStages, films: Films, views: int, seed: int) -> None:
        what = f"{file.parent.name}: frozen stages on {file.stem} films"
        with progress_bar(what, views * len(films.labels)) as advance:
            cache_activations(
                stages,
                films.pixels[None],
                file,
                views=views,
                augment=build_augmentation(self.recipe.augmentation),
                seed=seed,
                progress=advance,
            )

    def _trainer(self, number: int, phase: Phase, folder: Path) -> Trainer:
        def checkpoint(name: str, **options: Any) -> ModelCheckpoint:
            return ModelCheckpoint(folder, name, enable_version_counter=False, save_top_k=1, **options)

        callbacks: list[Callback] = [Curve(self.folder, number)]
        if self.recipe.ema:
            callbacks.append(ExponentialAverage(self.recipe.ema))
        if phase.early_stopping:
            callbacks.append(EarlyStopping("val_loss", patience=phase.early_stopping))
        if phase.keep == "best":
            callbacks.append(checkpoint("best", monitor="val_loss", save_on_train_epoch_end=True))
        callbacks.append(checkpoint("last", save_on_train_epoch_end=True))
        visible = sys.stderr.isatty()
        if visible:
            callbacks.append(RichProgressBar(console_kwargs={"stderr": True}))
        return Trainer(
            accelerator="gpu" if self.device.type == "cuda" else "cpu",
            precision="bf16-mixed" if self.precision == torch.bfloat16 else "32-true",
            max_epochs=phase.epochs,
            accumulate_grad_batches=self.recipe.accumulate,
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=visible,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=folder,
            **trainer_options(),
        )


def _with_dropout(head: Head, embedding: Tensor, passes: int) -> Tensor:
    """Monte Carlo dropout: the log-odds of the mean probability over so many passes, (N,) float64."""
    head.train()
    mean = torch.stack([head(embedding).double().sigmoid() for _ in range(passes)]).mean(0)
    head.eval()
    return torch.logit(mean, eps=1e-12)


def _of_network(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}


def _slices(count: int) -> list[list[int]]:
    return [list(range(start, min(start + VALIDATION_BATCH, count))) for start in range(0, count, VALIDATION_BATCH)]


def _processor() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning from advertising and from warning of what is meant: frozen stages and a folder to resume in."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in (".*module.s. in eval mode", "Checkpoint directory .* exists", ".*treespec, LeafSpec"):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Leave it to the caller what an interrupt ends: Lightning would end the process, and ignore the next one."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


@contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{folder}: the run cannot be written ({error.strerror}); make room and give the same command again, "
            "it goes on from the last finished epoch"
        ) from None
