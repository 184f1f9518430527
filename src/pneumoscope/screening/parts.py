"""One part of the results: a table of predictions, and what their embeddings come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

    from pneumoscope.scoring import Prediction

NUMBERS = frozenset(("probability", "logit", "threshold", "error_rate", "age", "peak_x", "peak_y", "elapsed_ms"))
COUNTS = frozenset(("width", "height"))
_EMBEDDING = b"pneumoscope.embedding"


class Moments(NamedTuple):
    """Number of films, and sum and sum of squares of their embeddings, (D,) each; D is 0 without films."""

    films: int
    total: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]

    @classmethod
    def of(cls, embeddings: Sequence[npt.NDArray[np.float32]]) -> Self:
        if not embeddings:
            return cls(0, np.zeros(0), np.zeros(0))
        stacked = np.stack(embeddings).astype(np.float64)
        return cls(len(stacked), stacked.sum(0), (stacked**2).sum(0))

    def plus(self, other: Moments) -> Moments:
        """Of both groups of films together."""
        if not self.films or not other.films:
            return self if self.films else other
        return Moments(self.films + other.films, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        return self.total / self.films

    @property
    def variance(self) -> npt.NDArray[np.float64]:
        return np.maximum(self.squares / self.films - self.mean**2, 0)


def part_table(predictions: Sequence[Prediction], moments: Moments) -> pa.Table:
    """Predictions as a table, one row a film, in order; the moments travel in its metadata."""
    import pyarrow as pa

    rows = [prediction.row() for prediction in predictions]
    fields = [pa.field(name, _type(name, pa)) for name in rows[0]]
    packed = np.concatenate([[moments.films], moments.total, moments.squares]).astype("<f8").tobytes()
    schema = pa.schema(fields, metadata={_EMBEDDING: packed})
    return pa.Table.from_pylist(rows, schema)


def moments_of(table: pa.Table) -> Moments:
    """The moments that came with a part."""
    packed = np.frombuffer((table.schema.metadata or {})[_EMBEDDING], "<f8")
    total, squares = np.split(packed[1:], 2)
    return Moments(int(packed[0]), total, squares)


def _type(name: str, pa: Any) -> Any:
    if name in NUMBERS:
        return pa.float64()
    if name in COUNTS:
        return pa.int64()
    return pa.bool_() if name == "failed" else pa.string()
