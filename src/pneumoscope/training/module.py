"""One phase of training as a Lightning module, and what is done beside it."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC

from pneumoscope.network import PneumoniaNet
from pneumoscope.training.augment import build_augmentation
from pneumoscope.training.loss import binary_loss
from pneumoscope.training.recipe import Phase, Recipe

WARM_UP = 0.1
"""Share of a cosine schedule's steps in which the learning rate rises."""


class PhaseModule(LightningModule):
    """Trains the network as one phase of a recipe says.

    Batches are (inputs, labels): films (N, S, S) in [0, 1] where ``entry`` is ``"stem"``, else the activations
    that enter there.
    """

    def __init__(self, network: PneumoniaNet, recipe: Recipe, phase: Phase, *, weights: tuple[float, float], seed: int):
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.phase = phase
        self.class_weights = weights
        self.seed = seed
        self.entry = network.entry if phase.cached_views else "stem"
        self.augment = build_augmentation(recipe.augmentation)
        # Every process validates on all films: none has to be told what the others found.
        self.auc = BinaryAUROC(sync_on_compute=False)
        self.accuracy = BinaryAccuracy(sync_on_compute=False)

    def on_train_batch_start(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        # A share's random changes depend on the seed and its place alone, so a resumed run repeats them.
        place = batch_idx * self.trainer.world_size + self.trainer.global_rank
        torch.manual_seed(hash((self.seed, self.current_epoch, place)) % 2**63)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        inputs, labels = batch
        if self.entry == "stem":
            with torch.no_grad():
                inputs = self.augment(inputs[:, None])
        if self.recipe.augmentation.mixup:
            inputs, labels = self._mix(inputs, labels)
        losses = binary_loss(self._logits(inputs), labels, self.recipe.loss, self.class_weights)
        # Gradients are averaged over the processes, whose shares may differ: so scaled, that is the whole batch's mean.
        loader: Any = self.trainer.train_dataloader
        films = loader.sampler.size(index)
        loss = losses.sum() * self.trainer.world_size / films
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=films, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        inputs, labels = batch
        logits = self._logits(inputs[:, None] if self.entry == "stem" else inputs)
        loss = binary_loss(logits, labels, self.recipe.loss).mean()
        self.auc.update(logits, labels.long())
        self.accuracy.update(logits.sigmoid(), labels.long())
        # Averaged all the same: stopping and learning rate must hang on one figure, to its last digit.
        self.log("val_loss", loss, prog_bar=True, batch_size=len(labels), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        for name, metric in (("val_auc", self.auc), ("val_accuracy", self.accuracy)):
            self.log(name, metric.compute(), prog_bar=True, sync_dist=True)
            metric.reset()

    def configure_optimizers(self) -> Any:
        phase = self.phase
        head = [p for name, p in self.network.named_parameters() if name.startswith(("head", "attention"))]
        trunk = [p for p in self.network.trunk.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [{"params": head, "lr": phase.learning_rate}]
        if trunk:
            groups.append({"params": trunk, "lr": phase.learning_rate * phase.trunk_factor})
        optimizer = torch.optim.AdamW(groups, weight_decay=phase.weight_decay, fused=True)
        if phase.schedule == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=phase.plateau_factor, patience=phase.plateau_patience
            )
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}
        if phase.schedule == "cosine":
            steps = int(self.trainer.estimated_stepping_batches)
            cosine = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _cosine(step / max(1, steps)))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}
        return optimizer

    def _logits(self, inputs: Tensor) -> Tensor:
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return self.network(inputs, self.entry).float()

    def _mix(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """mixup (Zhang et al., ICLR 2018, arXiv:1710.09412), one share a batch."""
        alpha = torch.tensor(self.recipe.augmentation.mixup)
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        other = torch.randperm(len(labels), device=labels.device)
        return share * inputs + (1 - share) * inputs[other], share * labels + (1 - share) * labels[other]


def _cosine(progress: float) -> float:
    if progress < WARM_UP:
        return progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - WARM_UP) / (1 - WARM_UP))))


class ExponentialAverage(WeightAveraging):
    """Averages the weights over the steps; the average is validated and kept.

    The decay starts small, ``min(decay, (1 + n) / (10 + n))`` after n steps, so that the first weights, of which
    the head's are random, are forgotten soon.
    """

    def __init__(self, decay: float):
        def average(kept: list[Tensor], current: list[Tensor], steps: Tensor) -> None:
            if not kept[0].is_floating_point():  # tensors come grouped by type
                torch._foreach_copy_(kept, current)
                return
            done = int(steps)  # waits for a GPU, so once for all tensors
            torch._foreach_lerp_(kept, current, 1 - min(decay, (1 + done) / (10 + done)))

        super().__init__(multi_avg_fn=average)


class Curve(Callback):
    """Appends each epoch to ``curve.csv`` and draws ``curve.svg`` again, so that a run can be watched."""

    COLUMNS = ("phase", "epoch", "train_loss", "val_loss", "val_auc", "val_accuracy", "learning_rate", "seconds")

    def __init__(self, folder: Path, phase: int):
        self.path = folder / "curve.csv"
        self.phase = phase
        self.started = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        figures = trainer.callback_metrics  # asked for by every process, since it is an average over them
        if not trainer.is_global_zero:
            return
        row: dict[str, Any] = {
            "phase": self.phase,
            "epoch": trainer.current_epoch + 1,
            **{name: round(float(figures[name]), 5) for name in self.COLUMNS[2:6]},
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(time.monotonic() - self.started, 1),
        }
        rows = [row]
        if self.path.exists():
            with self.path.open(newline="") as file:
                # A run killed after this line but before its checkpoint repeats the epoch.
                done = [old for old in csv.DictReader(file) if (int(old["phase"]), int(old["epoch"])) < _place(row)]
            rows = [*done, row]
        draft = self.path.with_suffix(".part")
        with draft.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        draft.replace(self.path)
        draw_curve(rows, self.path.with_suffix(".svg"))


def _place(row: dict[str, Any]) -> tuple[int, int]:
    return int(row["phase"]), int(row["epoch"])


def draw_curve(rows: list[dict[str, Any]], path: Path) -> None:
    """Loss and validation AUC over the epochs of all phases, as one SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    losses, ranking = figure.subplots(1, 2)
    epochs = range(1, len(rows) + 1)
    for name, label in (("train_loss", "training"), ("val_loss", "validation")):
        losses.plot(epochs, [float(row[name]) for row in rows], marker="o", markersize=3, label=label)
    ranking.plot(epochs, [float(row["val_auc"]) for row in rows], marker="o", markersize=3, color="tab:green")
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    ranking.set(xlabel="epoch", ylabel="AUC", title="Validation AUC")
    losses.legend(frameon=False)
    starts = [place for place in epochs if place > 1 and rows[place - 1]["phase"] != rows[place - 2]["phase"]]
    for axes in (losses, ranking):
        for start in starts:
            axes.axvline(start - 0.5, color="0.6", linestyle=":")
    figure.savefig(path)
