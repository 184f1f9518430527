"""Runs the benchmarks named, or all that need nothing but this checkout."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform

QUICK = ("predict_cold", "gradcam", "frozen_stages", "network", "scoring", "dicom")
"""Run when none is named. ``study`` and ``soak`` take half an hour, ``screening`` and ``node`` minutes, and ``setup``
downloads everything."""
ALL = (*QUICK, "screening", "serve", "soak", "node", "study", "setup")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}; default: {', '.join(QUICK)}")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ALL]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}")
    results = {
        "machine": {"processor": platform.processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    }
    for name in options.names or QUICK:
        results[name] = importlib.import_module(f"benchmarks.{name}").run()
        if not options.json:
            print(name)
            for key, value in results[name].items():
                print(f"  {key:<42} {value:>10.3g}" if isinstance(value, float) else f"  {key:<42} {value:>10}")
    if options.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
