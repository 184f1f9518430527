"""Starting weights as commands take them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pneumoscope.network import InitialWeights


def starting_weights(named: str, scaling: str | None) -> InitialWeights | None:
    """The trunk's weights of what ``--weights`` names: a bundle, a file or a name; None for ``none``.

    Raises:
        NetworkError: they are missing, unreadable, of another network, or do not tell their scaling.
    """
    from pneumoscope.bundle import WEIGHTS, load_bundle
    from pneumoscope.errors import BundleError
    from pneumoscope.network import load_initial_weights

    if named == "none":
        return None
    try:
        bundle = load_bundle(named)
    except BundleError:
        return load_initial_weights(named, scaling=scaling)
    weights = load_initial_weights(str(bundle.path / WEIGHTS), scaling=scaling)
    # The file's name is every bundle's; whose films the trunk has seen is what a reader of the card must know.
    films = " and ".join(dict.fromkeys(part["name"] for part in bundle.spec.data)) or "films that it does not name"
    source = f"bundle {bundle.spec.name}, trained on {films}"
    return replace(weights, provenance={**weights.provenance, "source": source})
