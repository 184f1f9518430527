"""Tables of experiments that a command reproduces: many small trainings on held-out patients and sources."""

from pneumoscope.experiments.reproduce import Line, Results, reproduce_table
from pneumoscope.experiments.table import Table, load_table
from pneumoscope.experiments.write import write_results

__all__ = ["Line", "Results", "Table", "load_table", "reproduce_table", "write_results"]
