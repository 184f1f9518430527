from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from captum.attr import LayerGradCam
from torch.nn import functional as F

from pneumoscope.errors import NetworkError
from pneumoscope.network import SCALINGS, STAGES, PneumoniaNet, fold_grey, load_trunk, read_safetensors, stages_from
from pneumoscope.network.inception import ConvNormAct

SIDE = 107


@pytest.fixture(scope="module")
def network(attentive_network: PneumoniaNet) -> PneumoniaNet:
    """A copy, since some tests change it."""
    return deepcopy(attentive_network)


@pytest.fixture(scope="module")
def films() -> torch.Tensor:
    torch.manual_seed(4)
    return torch.rand(3, 1, SIDE, SIDE)


def test_closed_form_grad_cam_equals_captum(network: PneumoniaNet, films: torch.Tensor) -> None:
    with torch.inference_mode():
        ours = network.explain(films)
    layer = network.attention
    theirs = LayerGradCam(network, layer).attribute(films, relu_attributions=True)
    torch.testing.assert_close(ours.saliency, theirs[:, 0].detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ours.logit, network(films).detach())
    assert ours.saliency.any()
    assert ours.embedding.shape == (3, 2048)


def test_stage_names_and_spatial_sizes(network: PneumoniaNet) -> None:
    assert list(STAGES) == ["stem", *(f"mixed{number}" for number in range(11))]
    assert stages_from("mixed9") == ("mixed9", "mixed10")
    assert stages_from("none") == ()
    with pytest.raises(NetworkError, match="mixed10"):
        stages_from("mixed11")
    with torch.inference_mode():
        for side, cells in ((75, 1), (160, 3), (299, 8)):
            assert network.trunk(torch.zeros(1, 1, side, side)).shape == (1, 2048, cells, cells)


@pytest.mark.parametrize("entry", ["mixed0", "mixed8", "mixed10", "attention", "head"])
def test_a_network_cut_in_two_is_the_network(network: PneumoniaNet, films: torch.Tensor, entry: str) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(network(network.encode(films, entry), entry), network(films))
        if entry != "head":
            torch.testing.assert_close(network.explain(network.encode(films, entry), entry), network.explain(films))


@pytest.mark.parametrize("side", [40, 3])
def test_normalisation_inside_the_kernel_equals_that_behind_it(side: int) -> None:
    """Of a large map it goes into the kernel, of a small one it does not; values and gradients are the same."""
    torch.manual_seed(5)
    layer = ConvNormAct(6, 8, 3, stride=2, padding=1).eval()
    layer.bn.running_mean.normal_()
    layer.bn.running_var.uniform_(0.5, 2)
    torch.nn.init.normal_(layer.bn.weight)
    torch.nn.init.normal_(layer.bn.bias)
    maps = torch.randn(2, 6, side, side, requires_grad=True)
    places = [maps, *layer.parameters()]
    normal = F.batch_norm(
        F.conv2d(maps, layer.conv.weight, stride=2, padding=1),
        layer.bn.running_mean,
        layer.bn.running_var,
        layer.bn.weight,
        layer.bn.bias,
        eps=1e-3,
    )
    expected = F.relu(normal)
    ours = layer(maps)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn_like(ours)
    torch.testing.assert_close(
        torch.autograd.grad((ours * weights).sum(), places),
        torch.autograd.grad((expected * weights).sum(), places),
        atol=1e-4,
        rtol=1e-4,
    )
    assert layer._worth_folding(maps) == (side == 40)
    with torch.no_grad():
        assert not layer._worth_folding(maps)


def test_attention_starts_as_the_identity(films: torch.Tensor) -> None:
    torch.manual_seed(0)
    plain = PneumoniaNet().eval()
    with_attention = PneumoniaNet(attention=True).eval()
    missing, surplus = with_attention.load_state_dict(plain.state_dict(), strict=False)
    assert not surplus
    assert all(name.startswith("attention.") for name in missing)
    with torch.inference_mode():
        torch.testing.assert_close(with_attention(films), plain(films))


def test_frozen_stages_keep_weights_and_statistics() -> None:
    torch.manual_seed(0)
    network = PneumoniaNet()
    network.unfreeze_from("mixed9")
    network.train()
    assert network.entry == "mixed9"
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([value for value in network.parameters() if value.requires_grad], lr=0.1)
    loss = F.binary_cross_entropy_with_logits(network(torch.rand(4, 1, SIDE, SIDE)), torch.tensor([0.0, 1, 0, 1]))
    loss.backward()
    optimizer.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    trained = ("trunk.Mixed_7b.", "trunk.Mixed_7c.", "head.")
    assert all(name.startswith(trained) for name in changed)
    assert any(name.startswith("trunk.Mixed_7b.") and name.endswith("running_mean") for name in changed)

    network.unfreeze_from("mixed9", batch_norm=False)
    network.train()
    assert not any(module.training for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    network.unfreeze_from("none")
    assert network.entry == "head"
    assert PneumoniaNet(attention=True).entry == "stem"


@pytest.mark.parametrize("scaling", ["tensorflow", "imagenet", "unit"])
def test_the_folded_stem_equals_three_channels(scaling: str) -> None:
    torch.manual_seed(0)
    kernel, mean = torch.randn(32, 3, 3, 3), torch.randn(32)
    weights = {"Conv2d_1a_3x3.conv.weight": kernel, "Conv2d_1a_3x3.bn.running_mean": mean}
    grey = torch.rand(2, 1, 21, 21)
    scale, shift = (torch.tensor(values).view(1, 3, 1, 1) for values in SCALINGS[scaling])
    colour = grey * scale + shift
    expected = F.conv2d(colour, kernel, stride=2) - mean.view(1, -1, 1, 1)
    folded = fold_grey(weights, SCALINGS[scaling])
    ours = F.conv2d(grey, folded["Conv2d_1a_3x3.conv.weight"], stride=2)
    ours = ours - folded["Conv2d_1a_3x3.bn.running_mean"].view(1, -1, 1, 1)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    again = fold_grey(folded, SCALINGS[scaling])
    torch.testing.assert_close(again["Conv2d_1a_3x3.conv.weight"], folded["Conv2d_1a_3x3.conv.weight"])


def test_published_weights_fit_name_by_name(data_dir: Path) -> None:
    path = data_dir / "weights" / "inception_v3_imagenet_notop.safetensors"
    published = read_safetensors(path)
    trunk = PneumoniaNet().trunk
    own = {name for name in trunk.state_dict() if not name.endswith("num_batches_tracked")}
    assert own == set(published)
    load_trunk(trunk, fold_grey(published, SCALINGS["tensorflow"]), origin="published")
    with pytest.raises(NetworkError, match="lacks Conv2d_1a_3x3"):
        load_trunk(trunk, {name: value for name, value in published.items() if "1a_3x3" not in name}, origin="x")
    with pytest.raises(NetworkError, match=r"has another shape for Conv2d_1a_3x3\.conv\.weight"):
        load_trunk(trunk, published, origin="x")
