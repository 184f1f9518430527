"""What of a prediction may be kept: nothing that names a patient."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from pneumoscope.errors import StoreError
from pneumoscope.scoring import Prediction, Reason

OLDEST = 90
"""Years. Ages above it are kept as it, for few people reach them (HIPAA Safe Harbor, 45 CFR 164.514)."""
QUOTES = {
    "not-chest": "By its header the film does not show a chest.",
    "wrong-modality": "By its header the film is no radiograph.",
    "not-frontal": "By its header the film is not frontal.",
    "unknown-view": "The header says a view that is not known.",
}
"""Reasons whose sentence quotes the header, where people type what they like, and what is kept instead."""
_BYTES = 32


def without_identity(prediction: Prediction) -> Prediction:
    """The prediction without the film's name and without free text of its header; see also :data:`OLDEST`."""
    film = prediction.film
    if film is not None and film.age is not None and film.age > OLDEST:
        film = film.model_copy(update={"age": float(OLDEST)})
    reasons = tuple(
        Reason(code=reason.code, message=QUOTES.get(reason.code, reason.message)) for reason in prediction.reasons
    )
    name = f"sha256:{prediction.input_sha256[:16]}" if prediction.input_sha256 else "film"
    return prediction.model_copy(update={"file": name, "film": film, "reasons": reasons})


class Pseudonyms:
    """Keyed hashes of patient numbers (HMAC-SHA-256): the same patient has the same key, which names nobody.

    Without the secret nobody can compute the key of a number, not even by trying all numbers there are. It lies in a
    file of its own and must not be backed up beside the records.

    Args:
        file: holds the secret; made, readable for its owner alone, where it is missing.

    Raises:
        StoreError: the file cannot be read or made, or is too short to be a secret.
    """

    def __init__(self, file: Path) -> None:
        try:
            self._secret = _read_or_make(file)
        except OSError as error:
            raise StoreError(f"{file}: the secret of patient keys cannot be read or made ({error.strerror})") from None
        if len(self._secret) < _BYTES:
            raise StoreError(f"{file}: the secret of patient keys is damaged; put its backup back")

    def key(self, patient_id: str | None) -> str | None:
        """64 hexadecimal digits, or None where there is no number."""
        if not patient_id:
            return None
        return hmac.new(self._secret, patient_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _read_or_make(file: Path) -> bytes:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    if not file.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(secrets.token_bytes(_BYTES))
            # A link, unlike a rename, leaves alone what another process has made in the meantime.
            file.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
    return file.read_bytes()
