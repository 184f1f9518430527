"""Reporting checklists, filled from a run as far as a machine can: TRIPOD+AI and CLAIM."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

GUIDELINES = Path(__file__).parent / "guidelines"

Status = Literal["answered", "in part", "open"]


class Item(BaseModel):
    """One item of a checklist with what a run says to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str
    topic: str
    asks: str
    answer: str
    missing: str

    @property
    def status(self) -> Status:
        """``open`` where the run says nothing, ``in part`` where something remains for a person to write."""
        if not self.answer:
            return "open"
        return "in part" if self.missing else "answered"


class Checklist(BaseModel):
    """A published checklist, item by item."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    items: tuple[Item, ...]

    def count(self) -> str:
        """``30 answered, 8 in part, 14 open``."""
        counts = Counter(item.status for item in self.items)
        return ", ".join(f"{counts[status]} {status}" for status in ("answered", "in part", "open"))


def fill_checklists(facts: Mapping[str, str]) -> tuple[Checklist, ...]:
    """TRIPOD+AI (Collins et al., BMJ 2024) and CLAIM (Mongan et al., 2020), with a run's answers.

    Items stand in short words of our own under the numbers of the papers, which are what to read before filling the
    rest. A machine says what was done, never whether it was right to.

    Args:
        facts: from :func:`~pneumoscope.evaluation.facts.gather`.
    """
    return tuple(_fill(GUIDELINES / f"{name}.toml", facts) for name in ("tripod-ai", "claim"))


def checklists_markdown(checklists: tuple[Checklist, ...], title: str) -> str:
    """The checklists as one Markdown document with a table each."""
    lines = [f"# Reporting checklists: {title}", "", *_HEAD]
    for checklist in checklists:
        lines += ["", f"## {checklist.name}", "", f"{checklist.source}. {checklist.count()}.", ""]
        lines += ["| Item | Topic | Asks for | Status | From this run | Still to write |", "|---|---|---|---|---|---|"]
        for item in checklist.items:
            cells = (item.number, item.topic, item.asks, item.status, item.answer, item.missing)
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


_HEAD = (
    "Filled from the run as far as a machine can. The wording is ours; read the papers before you hand this in.",
    "*Answered*: by the run. *In part*: something remains to be written. *Open*: all of it remains.",
)


def _fill(path: Path, facts: Mapping[str, str]) -> Checklist:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    items = []
    for item in document["items"]:
        said = " ".join(fact for name in item.get("facts", ()) if (fact := facts[name]))
        # What a run of another kind would have answered is as open as what none can.
        missing = item.get("missing", "") if said else item.get("missing", "not part of this run")
        items.append(Item(number=item["number"], topic=item["topic"], asks=item["asks"], answer=said, missing=missing))
    return Checklist(name=document["name"], source=document["source"], items=tuple(items))
