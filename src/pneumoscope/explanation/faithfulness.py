"""Does a saliency map show what the score rests on? Three tests, and what they are measured against.

* Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018: a map of a network whose weights were randomised must
  be another one.
* Petsiuk et al., "RISE", BMVC 2018: when what the map marks is taken from a film, the score must fall faster than when
  anything else is; when it is brought in, the score must rise faster.
* A film and its mirror image must have mirrored maps, as far as their scores are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from pneumoscope.bundle import InputSpec
from pneumoscope.explanation.overlay import project
from pneumoscope.scoring.geometry import FIRST_CENTRE, PITCH

if TYPE_CHECKING:
    import torch

    from pneumoscope.network import PneumoniaNet

Maps = npt.NDArray[np.floating[Any]]
Films = npt.NDArray[np.uint8]

CASCADE = ("head", "mixed10", "mixed9", "mixed8")
"""Parts of the network whose weights are randomised, each together with those before it in this list."""
STEPS = 10
"""Parts in which a film is taken away or brought in."""
BATCH = 32


def rank_correlation(a: Maps, b: Maps) -> npt.NDArray[np.float64]:
    """Spearman's correlation of the cells of two maps, film by film.

    Args:
        a: (N, h, w).
        b: (N, h, w).

    Returns:
        (N,) in [−1, 1]; 0 where a map is level, for it says nothing about the other.
    """
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (a, b)]
    one, other = (part - part.mean(1, keepdims=True) for part in ranks)
    norm = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    return np.divide((one * other).sum(1), norm, out=np.zeros(len(norm)), where=norm > 0)


def structural_similarity(a: Maps, b: Maps, spec: InputSpec) -> npt.NDArray[np.float64]:
    """SSIM (Wang et al., IEEE TIP 2004) of the maps as they are laid over the film, (N,) in [−1, 1]. Loads torch."""
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    heat = [torch.from_numpy(laid_over(maps, spec))[:, None] for maps in (a, b)]
    found = structural_similarity_index_measure(heat[0], heat[1], data_range=1.0, reduction="none")
    assert isinstance(found, torch.Tensor)
    return found.numpy().astype(np.float64)


def laid_over(maps: Maps, spec: InputSpec) -> npt.NDArray[np.float32]:
    """The maps (N, h, w) at the size of the network's input, (N, S, S) in [0, 1]."""
    return np.stack([project(one, (spec.size, spec.size), spec) for one in maps])


def mirrored_back(maps: Maps, spec: InputSpec) -> npt.NDArray[np.float32]:
    """Maps of mirrored films, mirrored back and read where the cells of an unmirrored film lie, (N, h, w) in [0, 1].

    The cells' grid need not lie in the middle of the network's input, so that turning the cells round is not enough.
    """
    heat = laid_over(maps, spec)[:, :, ::-1]
    rows, columns = ((FIRST_CENTRE + PITCH * np.arange(cells)).astype(int) for cells in maps.shape[1:])
    return heat[:, rows[:, None], columns]


def randomised_maps(
    network: PneumoniaNet, films: Films, *, draws: int, seed: int = 0, progress: Callable[[int], None] | None = None
) -> dict[str, npt.NDArray[np.float32]]:
    """Maps of the network after its last parts were randomised, from the head downwards.

    Weights are drawn as for a network that has learnt nothing (He et al., ICCV 2015), BatchNorm is made the identity.
    The network is changed.

    Args:
        network: in evaluation mode.
        films: (N, S, S).
        draws: of random weights for each part.
        seed: of the weights.
        progress: called with the number of films newly scored, ``(1 + 4 · draws) · N`` in all.

    Returns:
        For each name in :data:`CASCADE`, (draws, N, h, w): this part and those before it are random.
    """
    import torch

    entry = CASCADE[-1]
    inputs = []
    with torch.inference_mode():
        for batch in _batches(films):
            inputs.append(network.encode(torch.from_numpy(batch[:, None]).float() / 255, entry))
            _tell(progress, len(batch))
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, npt.NDArray[np.float32]] = {}
    for depth, name in enumerate(CASCADE, 1):
        drawn = []
        for _ in range(draws):
            for part in CASCADE[:depth]:
                randomise(network, part, generator)
            with torch.inference_mode():
                for reached in inputs:
                    drawn.append(network.explain(reached, entry).saliency.numpy())
                    _tell(progress, len(reached))
        maps = np.concatenate(drawn)
        found[name] = maps.reshape(draws, len(films), *maps.shape[1:])
    return found


def randomise(network: PneumoniaNet, part: str, generator: torch.Generator) -> None:
    """Forget what one part, ``"head"`` or a stage, has learnt."""
    import torch
    from torch import nn

    from pneumoscope.network import STAGES

    modules = [network.head] if part == "head" else [network.trunk.get_submodule(name) for name in STAGES[part]]
    for module in (inner for outer in modules for inner in outer.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * (2 / fan_in) ** 0.5
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def orders(saliency: Maps, spec: InputSpec, draw: np.random.Generator) -> dict[str, npt.NDArray[np.float32]]:
    """In which order a film's pixels are taken away: by its map, by chance, from the centre.

    The random order is the map with its cells shuffled, so that it has the same values and the same smoothness in other
    places. Pixels for which a map has no opinion are taken in a random and equally smooth order.

    Args:
        saliency: (h, w) ≥ 0.
        spec: the bundle's input.
        draw: source of randomness.

    Returns:
        (S, S) for ``map``, ``random`` and ``centre``: the higher, the sooner.
    """
    side = (spec.size, spec.size)
    shuffled = draw.permutation(saliency.ravel()).reshape(saliency.shape)
    undecided = project(draw.random(saliency.shape), side, spec)
    places = np.arange(spec.size) - (spec.size - 1) / 2
    distance = np.hypot(places[:, None], places)
    return {
        "map": project(saliency, side, spec) + np.float32(1e-3) * undecided,
        "random": project(shuffled, side, spec) + np.float32(1e-3) * undecided,
        "centre": (-distance).astype(np.float32),
    }


def half_films(film: Films, fill: Films, order: npt.NDArray[np.float32], steps: int = STEPS) -> tuple[Films, Films]:
    """A film with its first pixels taken away, and the fill with the film's first pixels brought in.

    Args:
        film: (S, S).
        fill: (S, S), what stands where the film is taken away.
        order: (S, S), the higher, the sooner.
        steps: parts of equal size.

    Returns:
        Deletion and insertion, (steps − 1, S, S) each: after 1 … steps − 1 parts.
    """
    ranks = np.argsort(np.argsort(-order, axis=None, kind="stable"), kind="stable").reshape(order.shape)
    first = ranks[None] < (np.arange(1, steps) * order.size / steps)[:, None, None]
    return np.where(first, fill, film), np.where(first, film, fill)


def area(curves: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Area under curves (..., steps + 1) over the share of the film from 0 to 1, by trapezia."""
    return np.asarray(np.trapezoid(curves, dx=1 / (curves.shape[-1] - 1), axis=-1), dtype=np.float64)


def _batches(films: Films) -> Iterator[Films]:
    for start in range(0, len(films), BATCH):
        yield films[start : start + BATCH]


def _tell(progress: Callable[[int], None] | None, done: int) -> None:
    if progress:
        progress(done)
