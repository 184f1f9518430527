"""The losses of a recipe, on one logit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pneumoscope.training.recipe import Loss


def class_weights(labels: Tensor) -> tuple[float, float]:
    """Weights of normal and pneumonia that make both classes count the same and average to 1.

    ``labels`` (N,) holds 0 and 1, both at least once.
    """
    pneumonia = float(labels.float().mean())
    return 0.5 / (1 - pneumonia), 0.5 / pneumonia


def binary_loss(logits: Tensor, targets: Tensor, settings: Loss, weights: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """Loss of each film, (N,).

    Cross-entropy, or focal loss ``-α_t (1 − p_t)^γ log p_t`` (Lin et al., ICCV 2017, arXiv:1708.02002), with
    α scaled so that 0.5 leaves the loss as it is.

    Args:
        logits: (N,)
        targets: (N,) in [0, 1]; between 0 and 1 where films are mixed.
        settings: which loss, and label smoothing.
        weights: of normal and pneumonia.
    """
    smooth = targets * (1 - 2 * settings.label_smoothing) + settings.label_smoothing
    positive, negative = F.logsigmoid(logits), F.logsigmoid(-logits)
    if settings.kind == "focal":
        positive = 2 * settings.alpha * torch.exp(settings.gamma * negative) * positive
        negative = 2 * (1 - settings.alpha) * torch.exp(settings.gamma * F.logsigmoid(logits)) * negative
    return -(weights[1] * smooth * positive + weights[0] * (1 - smooth) * negative)
