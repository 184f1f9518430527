"""The folder of a run over an archive: what is to be done, and which of it is.

The films are listed once, and each has its place in one part of the results. A part appears whole or not at all, so
that whatever ends a run, the next one goes on with the parts that are not there.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pneumoscope.errors import CohortError, OutputError, ScreeningError

if TYPE_CHECKING:
    import pyarrow as pa

PLAN, FILMS, PARTS, HEATMAPS, SUMMARY = "run.json", "films.parquet", "parts", "heatmaps", "summary.json"


class Plan(BaseModel):
    """What a run does; written once, and the same whenever the run goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    source: str
    films: int
    part_size: int = Field(description="films in a part of the results")
    bundle: str
    weights_sha256: str
    operating_point: str
    runtime: str = Field(description="engine and number format, as in each prediction")
    heatmaps: bool

    @property
    def parts(self) -> int:
        return -(-self.films // self.part_size)


class RunFolder:
    """A folder with ``run.json``, ``films.parquet``, ``parts/`` and, where asked for, ``heatmaps/``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def plan(self) -> Plan | None:
        """What the run in this folder does; None where there is none.

        Raises:
            OutputError: the folder holds something else.
        """
        try:
            return Plan.model_validate_json((self.path / PLAN).read_bytes())
        except FileNotFoundError:
            pass
        except ValidationError:
            raise OutputError(f"{self.path / PLAN}: damaged; name another folder") from None
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be read ({error.strerror})") from None
        # A run that was ended while it listed the films leaves no more than these.
        if self.path.exists() and {entry.name for entry in self.path.iterdir()} - {".lock", FILMS, f".{FILMS}.part"}:
            raise OutputError(f"{self.path}: this folder holds something else than a screening run; name another one")
        return None

    def begin(self, plan: Plan, names: Iterable[str]) -> Plan:
        """List the films and write down what is to be done. Memory does not grow with their number.

        Raises:
            CohortError: there are none.
            OutputError: the folder cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        count = 0
        schema = pa.schema([("film", pa.binary())])
        with self._writing(self.path / FILMS) as draft, pq.ParquetWriter(draft, schema) as writer:
            coming = iter(names)
            while group := [os.fsencode(name) for name in itertools.islice(coming, plan.part_size)]:
                writer.write_table(pa.table({"film": group}, schema), row_group_size=plan.part_size)
                count += len(group)
        if not count:
            raise CohortError(f"{plan.source}: no films here; name a folder, a pattern or a list with some")
        plan = plan.model_copy(update={"films": count})
        (self.path / PARTS).mkdir(exist_ok=True)
        if plan.heatmaps:
            (self.path / HEATMAPS).mkdir(exist_ok=True)
        with self._writing(self.path / PLAN) as draft:
            draft.write_text(plan.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return plan

    def names(self, part: int) -> list[str]:
        """The films of a part, in order."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path / FILMS) as file:
            return [os.fsdecode(name) for name in file.read_row_group(part).column("film").to_pylist()]

    def part(self, number: int) -> Path:
        return self.path / PARTS / f"part-{number:06d}.parquet"

    def pending(self, plan: Plan, again: Iterable[str] = ()) -> list[int]:
        """Parts that are not there, and those with films that failed for a reason whose code is in ``again``."""
        codes = set(again)
        return [
            number
            for number in range(plan.parts)
            if not self.part(number).exists() or (codes and codes & self._failures(number))
        ]

    def write(self, number: int, table: pa.Table) -> None:
        """Write a part in one step; it is on the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        import pyarrow.parquet as pq

        with self._writing(self.part(number)) as draft:
            pq.write_table(table, draft)

    def read(self, plan: Plan, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The parts that are there, one after another.

        Raises:
            ScreeningError: one is damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        for number in range(plan.parts):
            if self.part(number).exists():
                try:
                    yield pq.read_table(self.part(number), columns=columns)
                except (OSError, pa.ArrowInvalid):
                    raise ScreeningError(
                        f"{self.part(number)}: damaged; delete it and run the same command again"
                    ) from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder against a second run in it; the lock goes with the process, however that ends.

        Raises:
            OutputError: another run holds it, or the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("w")
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from None
        with lock:
            if not _held(lock):
                raise OutputError(f"{self.path}: another run is at work in this folder; wait for its end")
            yield

    def _failures(self, number: int) -> set[str]:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        table = pq.read_table(self.part(number), columns=["failed", "reason_codes"])
        failed = table.filter(table.column("failed"))
        return set(pc.unique(failed.column("reason_codes")).to_pylist())

    @contextmanager
    def _writing(self, place: Path) -> Iterator[Path]:
        draft = place.with_name(f".{place.name}.part")
        try:
            try:
                yield draft
                with draft.open("rb") as written:
                    os.fsync(written.fileno())
                draft.replace(place)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{place}: cannot be written ({error.strerror or error}); what was written before is kept, so make "
                "room and run the same command again"
            ) from None


def _held(lock: IO[Any]) -> bool:
    """Whether the lock is ours now; always so on systems without such locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
