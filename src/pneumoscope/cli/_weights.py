"""Starting weights as commands take them."""

from __future__ import annotations

from contextlib import suppress
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
    with suppress(BundleError):
        named = str(load_bundle(named).path / WEIGHTS)
    return load_initial_weights(named, scaling=scaling)
