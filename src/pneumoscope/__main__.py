"""``python -m pneumoscope`` is the command ``pneumoscope``."""

from pneumoscope.cli.main import main

main()
