"""The study's own stack in an environment of its own: Keras 3 on TensorFlow, float32."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ENVIRONMENT = Path(__file__).parents[1] / ".bench" / "keras"
PACKAGES = ("tensorflow", "pillow")
PEERS = Path(__file__).parent / "_peers"


def ask_keras(script: str, question: Any) -> Any:
    """What a script of ``_peers`` answers. It reads one JSON document and prints another as its last line.

    Raises:
        subprocess.CalledProcessError: TensorFlow could not be installed, or failed.
    """
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    ended = subprocess.run(
        [python, PEERS / f"{script}.py"],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return json.loads(ended.stdout.splitlines()[-1])
