"""For tests: scripted callers, networks, cassettes. Not imported by `sfclient` itself.

- `open_proxy`, `Proxy`: a proxy of bytes, between a client and a service (`_proxy`)
- `Network` of two `Link`: what it does to them, as data (`_network`)
- `Fault`, one of `Stall`, `Corrupt`, `HalfClose`, `Close`, `Reset`: what happens at a certain byte (`_network`)
- `network_named`, `NETWORKS`: networks by name, as ``--network`` of the command takes them (`_networks`)
- `Trace`, `read_trace`: a recorded network (`_trace`)
- `ProxyStatistics` of two `LinkStatistics`: its counters (`_network`)
- `_pipe`: one direction of one connection; `_timetable`: when its bytes are due, without I/O or clock
- `run_virtually`, `open_memory_agent`: an hour of talk in seconds, without sockets (`virtual`)
- `replay`, to a `Replay` with its `Parting`; `CassetteError`: a call that was kept on a cassette, played again and
  compared (`_replay`, `_replay_player`, `_replay_comparison`)
- `hold_conversation`, of a `Script` of `Say`, `Hear`, `Silence`, `Interrupt`, `Hold`, `End`, `HangUp` and `Limits`, to
  an `Outcome` with each `Failure` and `Figures`; `read_scripts`, `ScriptError`: a scripted caller (`script`)
- ``load``, a package of its own, with the extra of that name: many of them at once, from many processes

::

    from sfclient.testing import Link, Network, open_proxy

    bad_wifi = Network(up=Link(delay=0.04, jitter=0.03), down=Link(delay=0.04, jitter=0.03, rate=40_000))
    async with open_proxy(simulator.base_url, bad_wifi) as proxy:
        session = await request_session("agent", api_key=key, base_url=proxy.through(simulator.base_url))
        async with open_call(session, audio) as call:
            await trio.sleep(5)
            proxy.stall(3)  # nothing gets through for three seconds
            await call.wait_ended()

Delays and rates are kept on trio's clock, so a test may run them faster than they are; what the kernel does with the
sockets takes the time that it takes.
"""

from sfclient._cassette import CassetteError
from sfclient.testing._network import (
    Close,
    Corrupt,
    Fault,
    HalfClose,
    Link,
    LinkStatistics,
    Network,
    ProxyStatistics,
    Reset,
    Stall,
)
from sfclient.testing._networks import NETWORKS, network_named
from sfclient.testing._proxy import Proxy, open_proxy
from sfclient.testing._replay import Replay, replay
from sfclient.testing._replay_comparison import Parting
from sfclient.testing._trace import Trace, read_trace
from sfclient.testing.script import (
    End,
    Failure,
    Figures,
    HangUp,
    Hear,
    Hold,
    Interrupt,
    Limits,
    Outcome,
    Say,
    Script,
    ScriptError,
    Silence,
    hold_conversation,
    read_scripts,
)
from sfclient.testing.virtual import open_memory_agent, run_virtually

__all__ = [
    "NETWORKS",
    "CassetteError",
    "Close",
    "Corrupt",
    "End",
    "Failure",
    "Fault",
    "Figures",
    "HalfClose",
    "HangUp",
    "Hear",
    "Hold",
    "Interrupt",
    "Limits",
    "Link",
    "LinkStatistics",
    "Network",
    "Outcome",
    "Parting",
    "Proxy",
    "ProxyStatistics",
    "Replay",
    "Reset",
    "Say",
    "Script",
    "ScriptError",
    "Silence",
    "Stall",
    "Trace",
    "hold_conversation",
    "network_named",
    "open_memory_agent",
    "open_proxy",
    "read_scripts",
    "read_trace",
    "replay",
    "run_virtually",
]
