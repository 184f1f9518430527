"""The model card of a bundle, in the Hugging Face form (Mitchell et al., FAT* 2019)."""

from __future__ import annotations

from pneumoscope.bundle.spec import BundleSpec


def render_card(spec: BundleSpec) -> str:
    """Markdown with YAML front matter, made from nothing but the specification."""
    raise NotImplementedError
