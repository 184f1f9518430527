"""The pneumonia network: InceptionV3 trunk and the study's head, with Grad-CAM in closed form."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pneumoscope.network.inception import MAP_CHANNELS, STAGES, InceptionTrunk, stages_from

HIDDEN = 1024


class Explained(NamedTuple):
    """What one forward pass gives: ``logit`` (N,), ``saliency`` (N, h, w) ≥ 0, ``embedding`` (N, 2048)."""

    logit: Tensor
    saliency: Tensor
    embedding: Tensor


class SqueezeExcitation(nn.Module):
    """Channel attention (Hu et al., CVPR 2018, arXiv:1709.01507) that starts as the identity.

    The gate is twice a sigmoid whose last layer starts at zero, so that a pre-trained trunk is unchanged
    at first and training decides which channels to weaken or strengthen (range 0 … 2).
    """

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        self.reduce = nn.Linear(channels, channels // reduction)
        self.expand = nn.Linear(channels // reduction, channels)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)

    def forward(self, x: Tensor) -> Tensor:
        gate = 2 * torch.sigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


class Head(nn.Module):
    """Global average pooling → dropout → dense ReLU → one logit."""

    def __init__(self, dropout: float = 0.5):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(MAP_CHANNELS, HIDDEN)
        self.logit = nn.Linear(HIDDEN, 1)

    def forward(self, embedding: Tensor) -> Tensor:
        return self.logit(F.relu(self.hidden(self.dropout(embedding)))).squeeze(1)

    def channel_weights(self, embedding: Tensor) -> Tensor:
        """Gradient of the logit by the embedding, (N, 2048), without a backward pass and without dropout."""
        active = (self.hidden(embedding) > 0).to(embedding.dtype)
        return (active * self.logit.weight) @ self.hidden.weight


class PneumoniaNet(nn.Module):
    """Scores grey films: (N, 1, S, S) in [0, 1] → one logit of pneumonia each, (N,).

    Args:
        attention: put squeeze-and-excitation on the last stage's map.
        dropout: share of the embedding dropped while training.
    """

    def __init__(self, *, attention: bool = False, dropout: float = 0.5):
        super().__init__()
        self.trunk = InceptionTrunk()
        self.attention = SqueezeExcitation(MAP_CHANNELS) if attention else nn.Identity()
        self.head = Head(dropout)
        self._frozen: tuple[str, ...] = ()
        self._batch_norm = True

    def forward(self, x: Tensor, entry: str = "stem") -> Tensor:
        """Logits, (N,). ``entry`` names the place that ``x`` enters at, see :meth:`encode`."""
        if entry != "head":
            rest = () if entry == "attention" else stages_from(entry)
            x = self.attention(self.trunk.run(x, rest)).mean((2, 3))
        return self.head(x)

    def encode(self, x: Tensor, entry: str) -> Tensor:
        """What reaches the stage ``entry`` (or ``"attention"``, or ``"head"``: the embedding) when ``x`` is a film.

        ``forward(encode(x, entry), entry)`` equals ``forward(x)``: frozen stages can be computed once and kept.
        """
        names = tuple(STAGES)
        before = names[: names.index(entry)] if entry in names else names
        x = self.trunk.run(x, before)
        return self.attention(x).mean((2, 3)) if entry == "head" else x

    @property
    def entry(self) -> str:
        """The first place with trained parameters; everything before it is frozen."""
        trained = [name for name in STAGES if name not in self._frozen]
        if trained:
            return trained[0]
        return "head" if isinstance(self.attention, nn.Identity) else "attention"

    def explain(self, x: Tensor, entry: str = "stem") -> Explained:
        """Logit, Grad-CAM of the last stage's map, and embedding, in one forward pass.

        ``entry`` names the stage (or ``"attention"``) that ``x`` enters at, see :meth:`encode`.

        Grad-CAM (Selvaraju et al., ICCV 2017, arXiv:1610.02391) weighs each channel by the mean gradient of
        the logit over the map. Behind global average pooling that gradient is the head's own derivative
        divided by the number of positions, so no backward pass is needed. Call it in evaluation mode.
        """
        features = self.attention(self.trunk.run(x, () if entry == "attention" else stages_from(entry)))
        embedding = features.mean((2, 3))
        weights = self.head.channel_weights(embedding) / (features.shape[2] * features.shape[3])
        saliency = F.relu(torch.einsum("nk,nkhw->nhw", weights, features))
        return Explained(self.head(embedding), saliency, embedding)

    def unfreeze_from(self, stage: str, *, batch_norm: bool = True) -> None:
        """Train from ``stage`` on (``"none"``: the head alone; ``"all"``: everything).

        Frozen stages take no gradient and keep their BatchNorm in inference mode also while training;
        ``batch_norm=False`` keeps it so in the trained stages too (its scale and shift are trained all the same).
        """
        trained = stages_from(stage)
        self._frozen = tuple(name for name in STAGES if name not in trained)
        self._batch_norm = batch_norm
        for name, modules in STAGES.items():
            for module in modules:
                self.trunk.get_submodule(module).requires_grad_(name in trained)
        self.train(self.training)

    def channels_last(self) -> PneumoniaNet:
        """Lay convolutions out as processors and GPUs like them; values stay the same."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
        return self

    def train(self, mode: bool = True) -> PneumoniaNet:
        super().train(mode)
        still = self._frozen if self._batch_norm else tuple(STAGES)
        for name in still:
            for module in STAGES[name]:
                self.trunk.get_submodule(module).eval()
        return self
