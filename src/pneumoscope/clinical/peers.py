"""Other application entities: where they are, and sending to them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import EnhancedSRStorage, SecondaryCaptureImageStorage
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from pneumoscope.errors import DicomError

TIMEOUT = 30
"""Seconds for a peer to answer."""
_SUCCESS, _PENDING = 0x0000, (0xFF00, 0xFF01)
_AET = re.compile(r"(?! +$)[\x20-\x5b\x5d-\x7e]{1,16}")


class PeerError(DicomError):
    """A peer that could not be reached, or did not take an object; trying again may help."""


def checked_aet(title: str) -> str:
    """The application entity title, if it is one (PS3.5 6.2).

    Raises:
        DicomError: it is not.
    """
    if not _AET.fullmatch(title):
        raise DicomError(f"{title!r} is no AE title: 1 to 16 printable characters without a backslash")
    return title


@dataclass(frozen=True)
class Tls:
    """Files in PEM form; with ``authority``, peers must show a certificate signed by it."""

    certificate: Path
    key: Path
    authority: Path | None = None

    def context(self, *, server: bool) -> ssl.SSLContext:
        """What both directions use: TLS 1.2 or later.

        Raises:
            DicomError: a file is missing or is not what it should be.
        """
        purpose = ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH
        try:
            context = ssl.create_default_context(purpose, cafile=self.authority)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise DicomError(f"{self.certificate}, {self.key}: no TLS with these ({error}); name PEM files") from None
        if server and self.authority:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@dataclass(frozen=True)
class Destination:
    """Where results go, written ``AET@host:port``, with ``/tls`` behind it for TLS."""

    aet: str
    host: str
    port: int
    tls: bool = False

    @classmethod
    def parse(cls, text: str) -> Destination:
        """From its written form.

        Raises:
            DicomError: it is none.
        """
        match = re.fullmatch(r"([^@]+)@([^@/]+):(\d{1,5})(/tls)?", text)
        if match is None or not 0 < int(match[3]) < 65536:
            raise DicomError(f"{text!r} is no destination; write AET@host:port, or AET@host:port/tls")
        return cls(checked_aet(match[1]), match[2].strip("[]"), int(match[3]), bool(match[4]))

    def __str__(self) -> str:
        return f"{self.aet}@{self.host}:{self.port}{'/tls' if self.tls else ''}"


class Sender:
    """An open association to a destination."""

    def __init__(self, association: Association) -> None:
        self._association = association

    def holds(self, file: Path) -> bool:
        """Whether the destination says, by C-FIND, that it has this object; False where it answers no questions."""
        if not any(
            context.abstract_syntax == StudyRootQueryRetrieveInformationModelFind
            for context in self._association.accepted_contexts
        ):
            return False
        ours = dcmread(file, stop_before_pixels=True)
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.StudyInstanceUID = ours.StudyInstanceUID
        query.SeriesInstanceUID = ours.SeriesInstanceUID
        query.SOPInstanceUID = ours.SOPInstanceUID
        answers = self._association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
        found = [
            identifier
            for status, identifier in answers
            if status.get("Status") in _PENDING
            and identifier is not None
            and identifier.get("SOPInstanceUID") == ours.SOPInstanceUID
        ]
        return bool(found)

    def send(self, file: Path) -> None:
        """Send one object.

        Raises:
            PeerError: the destination did not take it.
        """
        try:
            status = self._association.send_c_store(file)
        except (RuntimeError, ValueError, AttributeError) as error:  # association gone, or no context for the object
            raise PeerError(str(error)) from None
        code = status.get("Status")
        if code is None:
            raise PeerError("no answer")
        if code != _SUCCESS and code >> 12 != 0xB:  # Bxxx: stored, with a warning
            raise PeerError(f"status {code:04X}H {status.get('ErrorComment', '')}".rstrip())


@contextmanager
def association(own_aet: str, destination: Destination, tls: Tls | None, *, ask: bool = False) -> Iterator[Sender]:
    """An association with a destination for reports and overlays.

    Args:
        own_aet: calling AE title.
        destination: whom to call.
        tls: our certificate, where the destination wants TLS.
        ask: propose C-FIND too.

    Raises:
        PeerError: it cannot be reached or refuses.
    """
    entity = AE(ae_title=own_aet)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = TIMEOUT
    classes: Sequence[str] = (EnhancedSRStorage, SecondaryCaptureImageStorage)
    for sop_class in (*classes, *((StudyRootQueryRetrieveInformationModelFind,) if ask else ())):
        entity.add_requested_context(sop_class)
    secured = None
    if destination.tls:
        secured = (tls.context(server=False) if tls else ssl.create_default_context(), destination.host)
    link = entity.associate(destination.host, destination.port, ae_title=destination.aet, tls_args=secured)
    if not link.is_established:
        raise PeerError("refused the association" if link.is_rejected else "cannot be reached")
    try:
        yield Sender(link)
    finally:
        link.release()
