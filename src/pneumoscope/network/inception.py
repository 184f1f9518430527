"""InceptionV3 (Szegedy et al., CVPR 2016, arXiv:1512.00567) as eleven named stages.

Parameter names are those of torchvision and timm (``Mixed_7c.branch1x1.conv.weight``), so weights travel
without a translation table. Stages are also addressable by the names of the paper and of Keras
(``mixed0`` … ``mixed10``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pneumoscope.errors import NetworkError

STAGES: dict[str, tuple[str, ...]] = {
    "stem": ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
    "mixed0": ("Mixed_5b",),
    "mixed1": ("Mixed_5c",),
    "mixed2": ("Mixed_5d",),
    "mixed3": ("Mixed_6a",),
    "mixed4": ("Mixed_6b",),
    "mixed5": ("Mixed_6c",),
    "mixed6": ("Mixed_6d",),
    "mixed7": ("Mixed_6e",),
    "mixed8": ("Mixed_7a",),
    "mixed9": ("Mixed_7b",),
    "mixed10": ("Mixed_7c",),
}
"""Stage name → the modules that make it up, in the order of the forward pass."""

MAP_CHANNELS = 2048
SMALLEST_INPUT = 75
"""Below 75 pixels the last stage has no spatial extent left."""


class ConvNormAct(nn.Module):
    """Convolution without bias, batch normalisation (eps 1e-3), ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        if self._worth_folding(x):
            mean, variance = self.bn.get_buffer("running_mean"), self.bn.get_buffer("running_var")
            scale = self.bn.weight * torch.rsqrt(variance + self.bn.eps)
            kernel = self.conv.weight * scale[:, None, None, None]
            shift = self.bn.bias - mean * scale
            x = F.conv2d(x, kernel, shift, self.conv.stride, self.conv.padding)
        else:
            x = self.bn(self.conv(x))
        return F.relu(x, inplace=True)

    def _worth_folding(self, x: Tensor) -> bool:
        """Whether training goes faster with the normalisation inside the kernel; the result is the same.

        With fixed statistics it is linear, so it can be put on the kernel instead of the map: cheaper where the map
        is larger than the kernel, on a CPU; a GPU waits for the many small steps. Exporters fold by themselves, and
        their graphs must not depend on a batch's size.
        """
        if self.bn.training or not torch.is_grad_enabled() or x.device.type != "cpu":
            return False
        if torch.jit.is_tracing() or torch.compiler.is_compiling():  # type: ignore[attr-defined, no-untyped-call]
            return False
        return x.shape[0] * x.shape[2] * x.shape[3] > 2 * self.conv.weight[0].numel()


def _average_pool(x: Tensor) -> Tensor:
    # Keras averages over the pixels that exist; counting the padding would darken the rim of every map.
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _reduce_pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=2)


class InceptionA(nn.Module):
    """35×35 block: 1×1, 5×5, double 3×3 and pooled branches."""

    def __init__(self, channels: int, pool: int):
        super().__init__()
        self.branch1x1 = ConvNormAct(channels, 64, 1)
        self.branch5x5_1 = ConvNormAct(channels, 48, 1)
        self.branch5x5_2 = ConvNormAct(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = ConvNormAct(channels, 64, 1)
        self.branch3x3dbl_2 = ConvNormAct(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNormAct(96, 96, 3, padding=1)
        self.branch_pool = ConvNormAct(channels, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(_average_pool(x))], 1)


class InceptionB(nn.Module):
    """35×35 → 17×17 reduction."""

    def __init__(self, channels: int):
        super().__init__()
        self.branch3x3 = ConvNormAct(channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = ConvNormAct(channels, 64, 1)
        self.branch3x3dbl_2 = ConvNormAct(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNormAct(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, _reduce_pool(x)], 1)


class InceptionC(nn.Module):
    """17×17 block: factorised 7×7 branches of the given width."""

    def __init__(self, width: int):
        super().__init__()
        row, column = (0, 3), (3, 0)
        self.branch1x1 = ConvNormAct(768, 192, 1)
        self.branch7x7_1 = ConvNormAct(768, width, 1)
        self.branch7x7_2 = ConvNormAct(width, width, (1, 7), padding=row)
        self.branch7x7_3 = ConvNormAct(width, 192, (7, 1), padding=column)
        self.branch7x7dbl_1 = ConvNormAct(768, width, 1)
        self.branch7x7dbl_2 = ConvNormAct(width, width, (7, 1), padding=column)
        self.branch7x7dbl_3 = ConvNormAct(width, width, (1, 7), padding=row)
        self.branch7x7dbl_4 = ConvNormAct(width, width, (7, 1), padding=column)
        self.branch7x7dbl_5 = ConvNormAct(width, 192, (1, 7), padding=row)
        self.branch_pool = ConvNormAct(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(_average_pool(x))], 1)


class InceptionD(nn.Module):
    """17×17 → 8×8 reduction."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1 = ConvNormAct(768, 192, 1)
        self.branch3x3_2 = ConvNormAct(192, 320, 3, stride=2)
        self.branch7x7x3_1 = ConvNormAct(768, 192, 1)
        self.branch7x7x3_2 = ConvNormAct(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = ConvNormAct(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = ConvNormAct(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_2(self.branch7x7x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(seven))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, _reduce_pool(x)], 1)


class InceptionE(nn.Module):
    """8×8 block with branches that fan out into a row and a column."""

    def __init__(self, channels: int):
        super().__init__()
        self.branch1x1 = ConvNormAct(channels, 320, 1)
        self.branch3x3_1 = ConvNormAct(channels, 384, 1)
        self.branch3x3_2a = ConvNormAct(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = ConvNormAct(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = ConvNormAct(channels, 448, 1)
        self.branch3x3dbl_2 = ConvNormAct(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = ConvNormAct(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = ConvNormAct(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = ConvNormAct(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        fans = [
            self.branch3x3_2a(three),
            self.branch3x3_2b(three),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
        ]
        return torch.cat([self.branch1x1(x), *fans, self.branch_pool(_average_pool(x))], 1)


class InceptionTrunk(nn.Module):
    """InceptionV3 without its classifier, for one grey channel.

    Maps (N, 1, S, S) with values in [0, 1] to the feature map of the last stage, (N, 2048, h, w);
    S = 299 gives 8×8. S must be at least 75.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNormAct(1, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = ConvNormAct(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNormAct(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = ConvNormAct(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNormAct(80, 192, 3)
        self.Mixed_5b = InceptionA(192, pool=32)
        self.Mixed_5c = InceptionA(256, pool=64)
        self.Mixed_5d = InceptionA(288, pool=64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(128)
        self.Mixed_6c = InceptionC(160)
        self.Mixed_6d = InceptionC(160)
        self.Mixed_6e = InceptionC(192)
        self.Mixed_7a = InceptionD()
        self.Mixed_7b = InceptionE(1280)
        self.Mixed_7c = InceptionE(2048)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x, tuple(STAGES))

    def run(self, x: Tensor, stages: Sequence[str]) -> Tensor:
        """Run consecutive stages on ``x``, the output of the stage before the first of them."""
        for name in stages:
            x = self._stem(x) if name == "stem" else self.get_submodule(STAGES[name][0])(x)
        return x

    def _stem(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_reduce_pool(x)))
        return _reduce_pool(x)


def stages_from(first: str) -> tuple[str, ...]:
    """The stages from ``first`` to the last; ``"all"`` means the whole trunk and ``"none"`` no stage.

    Raises:
        NetworkError: no stage has that name.
    """
    if first == "all":
        return tuple(STAGES)
    if first == "none":
        return ()
    if first not in STAGES:
        raise NetworkError(f"no stage is called {first!r}; choose one of all, none, {', '.join(STAGES)}")
    names = tuple(STAGES)
    return names[names.index(first) :]
