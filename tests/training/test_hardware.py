from __future__ import annotations

import pytest
import torch

from pneumoscope.training import hardware
from pneumoscope.training.hardware import resolve_precision

CPU = torch.device("cpu")


def test_what_is_asked_for_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn, "Conv2d", None)
    assert resolve_precision("float32", CPU) == torch.float32
    assert resolve_precision("bfloat16", CPU) == torch.bfloat16


@pytest.mark.parametrize(("slow", "fast"), [(torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)])
def test_the_faster_of_the_two_is_taken(slow: torch.dtype, fast: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine whose clock goes on by a second for each convolution in one of them."""
    clock = 0.0

    class Convolution(torch.nn.Conv2d):
        def forward(self, films: torch.Tensor) -> torch.Tensor:
            nonlocal clock
            running = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
            clock += running == slow
            assert torch.get_num_threads() == 1
            return films

    monkeypatch.setattr(torch.nn, "Conv2d", Convolution)
    monkeypatch.setattr(hardware.time, "thread_time", lambda: clock)
    before = torch.get_num_threads()
    assert resolve_precision("auto", CPU) == fast
    assert torch.get_num_threads() == before
