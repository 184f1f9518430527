"""Time of an answer of the REST service for a film of 224 pixels at ten requests a second, and the most it answers."""

from __future__ import annotations

from benchmarks._service import FILMS, ask, capacity, films, service

RATE = 10
SECONDS = 30


def run() -> dict[str, float]:
    """Milliseconds, requests a second, and MB."""
    chest = films()
    with service() as target:
        ask(target, RATE, 3, lambda number: ("film", chest[number % FILMS]))
        answers = ask(target, RATE, SECONDS, lambda number: ("film", chest[number % FILMS]))
        most = capacity(target, SECONDS, chest)
        return {
            f"p50 at {RATE} requests/s, ms": 1000 * answers.percentile("film", 0.5),
            f"p95 at {RATE} requests/s, ms": 1000 * answers.percentile("film", 0.95),
            "requests answered otherwise than 200": sum(
                n for (_, status), n in answers.counts.items() if status != 200
            ),
            "most requests/s, eight clients": most,
            "memory, MB": target.megabytes(),
        }
