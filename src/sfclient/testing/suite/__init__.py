"""A suite of scripted conversations: files are read, held one after the other, and what became of them is told.

- `read_suite`, `run_suite`: from files to results; `hold`, `free_name`: of one of them (``_suite``)
- `Result`, `figures_of`: of one conversation (``_results``); `junit_of`: of all as JUnit XML (``_junit``)
- `OnVirtualClock`, `OverSocket`, `AtService`: ways to hold them; `Way`: what they have in common (``_ways``)
- ``_agents``: the agent of a script's table ``[simulator]``
"""

from sfclient.testing.suite._junit import junit_of
from sfclient.testing.suite._results import Result, figures_of
from sfclient.testing.suite._suite import free_name, hold, read_suite, run_suite
from sfclient.testing.suite._ways import AtService, OnVirtualClock, OverSocket, Way

__all__ = [
    "AtService",
    "OnVirtualClock",
    "OverSocket",
    "Result",
    "Way",
    "figures_of",
    "free_name",
    "hold",
    "junit_of",
    "read_suite",
    "run_suite",
]
