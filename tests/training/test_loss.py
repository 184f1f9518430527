from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from pneumoscope.training.loss import binary_loss, class_weights
from pneumoscope.training.recipe import Loss

LOGITS = torch.tensor([-3.0, -0.2, 0.0, 1.5, 8.0])
LABELS = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])


def test_cross_entropy_is_torchs() -> None:
    expected = F.binary_cross_entropy_with_logits(LOGITS, LABELS)
    torch.testing.assert_close(binary_loss(LOGITS, LABELS, Loss(kind="cross-entropy")).mean(), expected)


def test_smoothing_and_weights_are_torchs() -> None:
    weights = (2.0, 0.5)
    per_film = torch.where(LABELS == 1, weights[1], weights[0])
    expected = F.binary_cross_entropy_with_logits(LOGITS, LABELS, weight=per_film)
    torch.testing.assert_close(binary_loss(LOGITS, LABELS, Loss(), weights).mean(), expected)
    smooth = F.binary_cross_entropy_with_logits(LOGITS, LABELS * 0.8 + 0.1)
    torch.testing.assert_close(binary_loss(LOGITS, LABELS, Loss(label_smoothing=0.1)).mean(), smooth)


@given(st.floats(-20, 20), st.integers(0, 1), st.floats(0, 5), st.floats(0, 1))
def test_focal_loss_is_the_papers_formula(logit: float, label: int, gamma: float, alpha: float) -> None:
    settings = Loss(kind="focal", gamma=gamma, alpha=alpha)
    probability = 1 / (1 + math.exp(-logit))
    right = probability if label else 1 - probability
    # 1 − p in a form that keeps its digits when p is near 1.
    wrong = 1 / (1 + math.exp(logit if label else -logit))
    share = alpha if label else 1 - alpha
    expected = -2 * share * wrong**gamma * math.log(right)
    got = binary_loss(torch.tensor([logit], dtype=torch.float64), torch.tensor([float(label)]).double(), settings)
    assert float(got) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_class_weights_balance_the_classes() -> None:
    labels = torch.tensor([0, 1, 1, 1])
    normal, pneumonia = class_weights(labels)
    assert normal * 1 == pytest.approx(pneumonia * 3)
    assert (normal * 1 + pneumonia * 3) / 4 == pytest.approx(1)
