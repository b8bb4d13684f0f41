"""Conversations without sockets and without waiting.

- `run_virtually`: trio, on a clock that jumps to what is due next (`_clock`); `_scheduling`: the order of its tasks
- `open_memory_agent`: an agent of the simulator that calls reach in memory (`_memory`, `_agent`); `_ends`: the two ends
  of such a connection, `_way`: one direction of it
"""

from sfclient.testing.virtual._clock import run_virtually
from sfclient.testing.virtual._memory import open_memory_agent

__all__ = ["open_memory_agent", "run_virtually"]
