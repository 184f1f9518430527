"""The node's ear: C-ECHO and C-STORE from peers on its list."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Sequence
from typing import Any, Literal

from pydicom import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from pneumoscope.clinical.peers import TIMEOUT, Tls
from pneumoscope.clinical.queue import Queue
from pneumoscope.errors import DicomError
from pneumoscope.radiograph import assess_header
from pneumoscope.radiograph.dicom_header import read_header, text
from pneumoscope.radiograph.suitability import MODALITIES

FILM_CLASSES = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)
"""Objects that may be films; a secondary capture is one if it says that it is a radiograph."""
RESERVE = 256 << 20
"""Bytes of the disk that films may not fill, so that those accepted can still be finished."""
MOST_ASSOCIATIONS = 10
SUCCESS, NO_RESOURCES, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
Others = Literal["accept", "refuse"]

log = logging.getLogger("pneumoscope.node")


class Receiver:
    """Listens from construction to :meth:`close`.

    Args:
        queue: takes the films.
        aet: own AE title; callers must use it.
        address: host and port; port 0 takes a free one.
        allowed: calling AE titles that may connect; anybody may if empty.
        others: whether objects that are no chest films are accepted, and left alone, or refused.
        tls: certificates, if peers must speak TLS.

    Raises:
        DicomError: the address cannot be listened on.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        aet: str,
        address: tuple[str, int],
        allowed: Sequence[str] = (),
        others: Others = "accept",
        tls: Tls | None = None,
    ) -> None:
        self._queue = queue
        self._others = others
        entity = AE(ae_title=aet)
        entity.require_called_aet = True
        entity.require_calling_aet = list(allowed)
        entity.maximum_associations = MOST_ASSOCIATIONS
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT
        entity.add_supported_context(Verification)
        if others == "accept":
            for kind in AllStoragePresentationContexts:
                if kind.abstract_syntax and kind.abstract_syntax not in FILM_CLASSES:
                    entity.add_supported_context(kind.abstract_syntax, ALL_TRANSFER_SYNTAXES)
        readable = [syntax for syntax in ALL_TRANSFER_SYNTAXES if _readable(UID(syntax))]
        for sop_class in FILM_CLASSES:
            entity.add_supported_context(sop_class, readable)
        handlers: Any = [(evt.EVT_C_STORE, self._store), (evt.EVT_REJECTED, _rejected)]
        context = tls.context(server=True) if tls else None
        try:
            server = entity.start_server(address, block=False, evt_handlers=handlers, ssl_context=context)
        except OSError as error:
            raise DicomError(
                f"{address[0]}:{address[1]}: cannot be listened on ({error.strerror}); name another --port"
            ) from None
        assert isinstance(server, ThreadedAssociationServer)
        self._server = server

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.socket.getsockname()[1]) if self._server.socket else 0

    def close(self) -> None:
        """Stop listening and end open associations."""
        self._server.shutdown()

    def _store(self, event: Event) -> int | Dataset:
        """Answer one C-STORE request. Success means that the film is on disk, or that nothing will be done with it."""
        caller = str(event.assoc.requestor.ae_title)
        try:
            if why := self._unwanted(event):
                if self._others == "refuse":
                    return _status(NOT_UNDERSTOOD, why)
                log.info("left alone: an object from %s: %s", caller, why)
                return SUCCESS
            content = event.encoded_dataset()
            if shutil.disk_usage(self._queue.films).free < RESERVE + len(content):
                log.error("refused: a film from %s: the disk is full", caller)
                return _status(NO_RESOURCES, "disk full")
            request: Any = event.request
            added = self._queue.add(str(request.AffectedSOPInstanceUID), caller, content)
        except (OSError, sqlite3.Error) as error:
            log.error("refused: a film from %s: it cannot be kept (%s)", caller, error)
            return _status(NO_RESOURCES, "the film cannot be kept")
        log.info("received: a film from %s%s", caller, "" if added else ", known already")
        return SUCCESS

    def _unwanted(self, event: Event) -> str | None:
        """Why an object is no film to be scored, as far as its class and, where need be, its header tell."""
        sop_class = event.request.AffectedSOPClassUID
        if sop_class not in FILM_CLASSES:
            return "no radiograph"
        if self._others == "accept" and sop_class != SecondaryCaptureImageStorage:
            return None  # the scorer looks at the header anyway
        try:
            header = event.dataset
            if sop_class == SecondaryCaptureImageStorage and text(header, "Modality") not in MODALITIES:
                return "no radiograph"
            findings = assess_header(read_header(header)())
        except Exception:  # pydicom raises many kinds for a damaged object
            return "its header cannot be read"
        return next((finding.message for finding in findings if finding.refuses), None)


def _readable(syntax: UID) -> bool:
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def _status(code: int, comment: str) -> Dataset:
    status = Dataset()
    status.Status = code
    status.ErrorComment = comment[:64]
    return status


def _rejected(event: Event) -> Any:
    log.warning("rejected: an association that %r asked for", str(event.assoc.requestor.ae_title))
