"""Many calls at once, from many processes, and what became of them. It needs the extra ``load``.

- `hold_load`: place the calls of a `Load`, and get a `LoadReport` (`_hold`)
- ``_load``: what is asked, and each worker's share of it; ``_report``: what became of it, told in ``_lines`` and
  on a page (``_page``)
- ``_tally``: `Tally`, `Distribution`: counts and percentiles that can be merged
- ``_spans``: `Span`: whether a machine kept up, second by second; ``_punctual``: how late its own chunks left
- ``_placing``: a share of the calls, in trio; ``_worker``: the same in a process of Dask's
- ``_cluster``: those processes; ``_following``: what one of them tells; ``_coordinator``: all of it

::

    load = Load(script, "agent", calls=40, seconds=60, rate=10)
    report = await hold_load(load)
    report.all.times["response"].percentiles()[95.0]   # in seconds, over all workers

Dask starts the processes, here or on a cluster, and carries questions to them. Its tasks are not used: those of a
worker that is lost are run again elsewhere, and a call would be placed twice.
"""

from importlib.util import find_spec

if missing := [name for name in ("distributed", "hdrh") if find_spec(name) is None]:
    told = f"a load needs {' and '.join(missing)}: pip install 'sfaudio[load]'"
    raise ImportError(told, name=missing[0])

from sfclient.testing.load._hold import hold_load
from sfclient.testing.load._lines import lines_of
from sfclient.testing.load._load import Load
from sfclient.testing.load._page import page_of
from sfclient.testing.load._report import LoadReport, Progress, WorkerReport
from sfclient.testing.load._spans import Span
from sfclient.testing.load._tally import Distribution, Tally

__all__ = [
    "Distribution",
    "Load",
    "LoadReport",
    "Progress",
    "Span",
    "Tally",
    "WorkerReport",
    "hold_load",
    "lines_of",
    "page_of",
]
