"""Public collections that Pneumoscope reads, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

_ZENODO = "https://zenodo.org/records/{record}/files/{name}?download=1"


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be fetched.

    Attributes:
        name: it gets in the data folder.
        urls: places to fetch it from, tried in order.
        checksum: ``md5:`` or ``sha256:`` and the digest in hexadecimal, as its publisher states it.
    """

    name: str
    urls: tuple[str, ...]
    checksum: str


@dataclass(frozen=True)
class DataSet:
    """A public collection of films.

    Attributes:
        name: on the command line.
        what: it is, in one line.
        films: their number.
        licence: of the films.
        citation: the source to name.
        url: where a person reads about it and gets it.
        files: what can be fetched, by side of the films in pixels; empty where the publisher asks for consent.
    """

    name: str
    what: str
    films: int
    licence: str
    citation: str
    url: str
    files: dict[int, RemoteFile] = field(default_factory=dict)


def _pneumoniamnist(size: int, checksum: str, *records: int) -> RemoteFile:
    # MedMNIST names the file of its first size without the size.
    name = "pneumoniamnist.npz" if size == 28 else f"pneumoniamnist_{size}.npz"
    return RemoteFile(name, tuple(_ZENODO.format(record=record, name=name) for record in records), checksum)


DATA_SETS: dict[str, DataSet] = {
    data.name: data
    for data in (
        DataSet(
            name="pneumoniamnist",
            what="children aged 1 to 5, frontal, centre-cropped to 28, 64, 128 or 224 pixels, official splits",
            films=5856,
            licence="CC BY 4.0",
            citation="Yang et al., MedMNIST v2, Scientific Data 2023, doi:10.1038/s41597-022-01721-8",
            url="https://medmnist.com",
            files={
                28: _pneumoniamnist(28, "md5:28209eda62fecd6e6a2d98b1501bb15f", 10519652, 6496656),
                64: _pneumoniamnist(64, "md5:8f4eceb4ccffa70c672198ea285246c6", 10519652),
                128: _pneumoniamnist(128, "md5:05b46931834c231683c68f40c47b2971", 10519652),
                224: _pneumoniamnist(224, "md5:d6a3c71de1b945ea11211b03746c1fe1", 10519652),
            },
        ),
        DataSet(
            name="kermany",
            what="the same children's films at full size, in class folders; cause bacterial or viral",
            films=5856,
            licence="CC BY 4.0",
            citation="Kermany et al., Cell 2018, doi:10.1016/j.cell.2018.02.010; data doi:10.17632/rscbjbr9sj",
            url="https://data.mendeley.com/datasets/rscbjbr9sj",
        ),
        DataSet(
            name="nih-chestxray14",
            what="adults and children of one hospital, 1024 pixels, 14 findings mined from the reports",
            films=112120,
            licence="free use with attribution to the NIH Clinical Center",
            citation="Wang et al., ChestX-ray8, CVPR 2017, doi:10.1109/CVPR.2017.369",
            url="https://nihcc.app.box.com/v/ChestXray-NIHCC",
        ),
        DataSet(
            name="rsna-pneumonia",
            what="NIH films read by radiologists: lung opacity with boxes, normal, or neither; DICOM",
            films=26684,
            licence="any use with attribution to NIH and RSNA, after accepting the challenge's terms",
            citation="Shih et al., Radiology: Artificial Intelligence 2019, doi:10.1148/ryai.2019180041",
            url="https://www.kaggle.com/c/rsna-pneumonia-detection-challenge",
        ),
    )
}
"""The collections by name."""
