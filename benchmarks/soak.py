"""Half an hour at nine tenths of what the REST service can do, with malformed and huge uploads among the good ones."""

from __future__ import annotations

import random

from benchmarks._service import FILMS, ask, capacity, films, service

MINUTES = 30
PIECES = 10
MALFORMED, HUGE = 0.01, 0.001


def run() -> dict[str, float]:
    """Counts, memory at the first and the last tenth of the time, and files that were left behind."""
    chest = films()
    huge = bytes(101 << 20)
    draw = random.Random(0)

    def choose(number: int) -> tuple[str, bytes]:
        chance = draw.random()
        if chance < HUGE:
            return "huge", huge
        return ("malformed", chest[0][:200]) if chance < HUGE + MALFORMED else ("good", chest[number % FILMS])

    with service() as target:
        rate = 0.9 * capacity(target, 30, chest)
        good = wrong = others = 0
        memory = []
        for _ in range(PIECES):
            answers = ask(target, rate, 60 * MINUTES / PIECES, choose)
            memory.append(target.megabytes())
            good += answers.counts["good", 200]
            wrong += sum(n for (kind, status), n in answers.counts.items() if kind == "good" and status != 200)
            expected = {("good", 200), ("malformed", 422), ("huge", 413), ("huge", 0)}
            others += sum(n for pair, n in answers.counts.items() if pair[0] != "good" and pair not in expected)
        left = [path for path in target.folder.rglob("*") if path.is_file() and path.parent.name != "state"]
        return {
            "requests/s": rate,
            "good requests answered 200": good,
            "good requests answered otherwise": wrong,
            "bad requests answered otherwise than 422 and 413": others,
            "memory after a tenth, MB": memory[0],
            "memory at the end, MB": memory[-1],
            "files left behind": len(left),
        }
