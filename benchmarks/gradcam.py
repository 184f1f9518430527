"""Score and heat map: the closed form in one pass beside Captum's Grad-CAM, which needs a backward pass."""

from __future__ import annotations

import torch
from captum.attr import LayerGradCam

from benchmarks._measure import timed
from pneumoscope.network import PneumoniaNet

SIDE, FILMS = 299, 8


def run() -> dict[str, float | str]:
    """Films per second of each, and how many times faster the closed form is."""
    torch.manual_seed(0)
    network = PneumoniaNet().eval().to(memory_format=torch.channels_last)
    films = torch.rand(FILMS, 1, SIDE, SIDE)
    captum = LayerGradCam(network, network.trunk.Mixed_7c)

    def closed_form() -> None:
        with torch.inference_mode():
            network.explain(films)

    def backward() -> None:
        with torch.no_grad():
            network(films)
        captum.attribute(films, relu_attributions=True)

    ours, theirs = timed(closed_form), timed(backward)
    return {
        **ours.rate(FILMS, "closed form"),
        **theirs.rate(FILMS, "score, then Captum"),
        "times faster": theirs.median / ours.median,
    }
