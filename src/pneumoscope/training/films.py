"""Films, or what the frozen stages made of them, in the order an epoch wants them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from pneumoscope.training.cache import Activations


class FilmBatches(Dataset[tuple[Tensor, Tensor]]):
    """Batches of inputs and labels, indexed by a list of positions.

    Args:
        inputs: (V, N, …) for V views of N films: uint8 films, scaled to [0, 1] on the way out, or float16
            activations.
        labels: (N,) of 0 and 1.
    """

    def __init__(self, inputs: npt.NDArray[Any] | Activations, labels: npt.NDArray[np.int64]):
        self.inputs = inputs
        self.labels = torch.from_numpy(labels.astype(np.float32))

    def __len__(self) -> int:
        return int(self.inputs.shape[0] * self.inputs.shape[1])

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        films = len(self.labels)
        rows = np.asarray(positions, dtype=np.int64)
        batch = torch.from_numpy(self.inputs[rows // films, rows % films])
        values = batch.float() / 255 if batch.dtype == torch.uint8 else batch.float()
        return values, self.labels[rows % films]


class EpochOrder(Sampler[list[int]]):
    """Batches of positions into :class:`FilmBatches`, shuffled anew each epoch from the seed alone.

    Since an epoch's order depends on nothing but the seed and its number, a run that was killed goes on
    exactly as it would have.

    Args:
        labels: (N,) of 0 and 1.
        views: each film is drawn in one of so many views.
        oversample: draw the rarer class with repetition until both classes are equally frequent; every film
            of the commoner class still occurs once an epoch.
        groups: (N,) films of one number are balanced among themselves; None makes all films one group. A group
            of one class is drawn as it is.
        rank, processes: take this process's share of each batch, every ``processes``-th film. Shares of a batch
            differ by one film at most, and may be empty.
    """

    def __init__(
        self,
        labels: npt.NDArray[np.int64],
        *,
        batch_size: int,
        seed: int,
        views: int = 1,
        oversample: bool = False,
        groups: npt.NDArray[np.int64] | None = None,
        rank: int = 0,
        processes: int = 1,
    ):
        self.labels = labels
        self.groups = np.zeros_like(labels) if groups is None else groups
        self.batch_size = batch_size
        self.seed = seed
        self.views = views
        self.oversample = oversample
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def size(self, batch: int) -> int:
        """How many films a batch has, with the shares of all processes."""
        return min(self.batch_size, self._length - batch * self.batch_size)

    def __len__(self) -> int:
        return -(-self._length // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        draw = np.random.default_rng([self.seed, self.epoch])
        films = np.arange(len(self.labels))
        if self.oversample:
            films = np.concatenate([films, *self._repeated(draw)])
        order = draw.permutation(films)
        positions = order + len(self.labels) * draw.integers(0, self.views, len(order))
        for start in range(0, len(positions), self.batch_size):
            yield positions[start : start + self.batch_size][self.rank :: self.processes].tolist()

    def _repeated(self, draw: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
        """The films to draw again, group by group."""
        for group in np.unique(self.groups):
            classes = [np.flatnonzero((self.groups == group) & (self.labels == label)) for label in (0, 1)]
            rare, common = sorted(classes, key=len)
            if len(rare):
                whole, rest = divmod(len(common), len(rare))
                yield np.concatenate([*[rare] * (whole - 1), draw.choice(rare, rest, replace=False)])

    @cached_property
    def _length(self) -> int:
        if not self.oversample:
            return len(self.labels)
        return len(self.labels) + sum(map(len, self._repeated(np.random.default_rng())))
