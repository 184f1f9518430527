"""dicom-validator with the standard as highdicom carries it.

dicom-validator downloads the standard's DocBook sources, which a test must not. highdicom ships what it has parsed of
PS3.3: which modules an object has, and their attributes with types. It ships no conditions, so that conditional
attributes are checked where they are, not whether they should be, and the content tree of a report, where everything
depends on the value type, is left out; dciodvfy does both.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from dicom_validator.validator.dicom_info import DicomInfo
from dicom_validator.validator.iod_validator import IODValidator
from pydicom import Dataset
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword

USAGES = {"M": "M", "C": "U", "U": "U"}
CONTENT_TREE = "sr-document-content"


@cache
def _standard() -> DicomInfo:
    folder = files("highdicom") / "_standard"
    iods, modules, classes = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("iod_module_map", "module_attribute_map", "sop_class_iod_map")
    )
    wanted = {module["key"] for iod in ("enhanced-sr", "secondary-capture-image") for module in iods[iod]}
    modules[CONTENT_TREE] = [entry | {"type": "3"} for entry in modules[CONTENT_TREE] if not entry["path"]]
    return DicomInfo(
        dictionary={},
        iods={
            uid: {
                "title": iod,
                "modules": {
                    module["key"]: {"ref": module["key"], "use": USAGES[module["usage"]]} for module in iods[iod]
                },
                "group_macros": {},
            }
            for uid, iod in classes.items()
            if iod in ("enhanced-sr", "secondary-capture-image")
        },
        modules={name: _tree(attributes) for name, attributes in modules.items() if name in wanted},
    )


def _tree(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for attribute in attributes:
        if tag_for_keyword(attribute["keyword"]) is None:  # of a repeating group, such as overlays
            continue
        level = tree
        for parent in attribute["path"]:
            level = level[_name(parent)].setdefault("items", {})
        level[_name(attribute["keyword"])] = {"name": attribute["keyword"], "type": attribute["type"]}
    return tree


def _name(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def problems(dataset: Dataset) -> list[str]:
    """What dicom-validator has against an object, one line each."""
    info = _standard()
    for element in dataset.iterall():  # the names with which it reports
        info.dictionary.setdefault(
            str(element.tag).upper().replace(" ", ""),
            {"name": dictionary_description(element.tag), "vr": dictionary_VR(element.tag)},
        )
    result = IODValidator(dataset, info, error_handler=_Silent()).validate()
    return [
        f"{module}: {tag}: {error.code.name} {error.context or ''}"
        for module, errors in result.module_errors.items()
        for tag, error in errors.items()
    ]


class _Silent:
    def handle_validation_start(self, result: Any) -> None:
        """Nothing to say."""

    def handle_validation_result(self, result: Any) -> None:
        """Nothing to say."""
