from __future__ import annotations

import subprocess
import sys

import pytest

from pneumoscope import __version__
from pneumoscope.cli.main import VERBS

from .conftest import Command

HEAVY = (
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
    "pydicom",
    "PIL",
    "lightning",
    "kornia",
    "h5py",
    "fastapi",
    "sqlalchemy",
    "streamlit",
    "openvino",
    "pyarrow",
    "ray",
)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)])
def test_help_starts_without_the_heavy_libraries(arguments: list[str]) -> None:
    """The start-up budget, by what is imported: a time would depend on the machine."""
    code = (
        "import sys\n"
        f"sys.argv = ['pneumoscope', *{arguments}]\n"
        "from pneumoscope.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"
    assert ended.stdout.strip()


def test_version_and_help(command: Command) -> None:
    assert command("--version").out == f"pneumoscope {__version__}\n"
    said = command("--help").out
    assert all(verb in said for verb in VERBS)
    assert "never a diagnosis" in said
    assert command("unknown").status == 2


def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    code = "from pneumoscope.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "data", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait(120) == 1
        assert process.stderr
        assert process.stderr.read() == b""
