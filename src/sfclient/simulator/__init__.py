"""A local agent that speaks the server side of both contracts, widget and ws-media.

For work without an account, and for tests.

::

    from sfclient.simulator import EchoAgent, open_simulator

    async with open_simulator(EchoAgent(delay=0.5)) as sim:
        ...                                  # call sim.base_url with sim.key
        call = await sim.wait_call()
        call.received_audio, call.messages   # what the client said, to the byte

- `open_simulator`, `Simulator`: the port, the tasks, from a TCP connection to a call (`_server`)
- `SimulatedCall`, `ReceivedMessage`, `Ended`, `CallEndedError`: what was said, and everything that a
  script can do to a client (`_call`); `_conversations`: from an open connection to one with an agent,
  and to its end; `_wire`: what that needs of a connection
- `Agent`: any ``async def agent(call)``; `EchoAgent`, `SpeakAgent` (`_agents`)
- `ReplyAgent`: one that converses, with faults if asked for (`_reply`)
- `QUIRKS`: what a ws-media service may do otherwise, until a call has begun (`_ws_media`)
- `UnreadableWavError`; 48 to 16 kHz as it streams, WAV files to PCM16 at 16 kHz (`_audio`)
- `_codecs`: audio as messages carry it: byte orders, G.711, RTP
- `_routes`: HTTP without I/O and clock: the routing table, the bearer key, single-use tokens
- `_orders`: ws-media orders without I/O and clock, and what binds a connection to one
- `_http`: one HTTP request and its answer on a connection (h11); handing it over
- `_command`: ``sfclient simulator``

It shares no protocol code with the client and uses another websocket library: two readings of one
contract check each other. It needs the extra: ``pip install 'sfaudio[simulator]'``.
"""

try:
    import h11  # noqa: F401
    import websockets.trio.server  # noqa: F401
except ImportError as exc:
    raise ImportError(
        "the simulator needs h11 and websockets 17.0.1 or newer: pip install 'sfaudio[simulator]'"
    ) from exc

from sfclient.simulator._agents import EchoAgent, SpeakAgent
from sfclient.simulator._audio import UnreadableWavError
from sfclient.simulator._call import Agent, CallEndedError, Ended, ReceivedMessage, SimulatedCall
from sfclient.simulator._reply import ReplyAgent
from sfclient.simulator._server import Simulator, open_simulator
from sfclient.simulator._ws_media import QUIRKS

__all__ = [
    "QUIRKS",
    "Agent",
    "CallEndedError",
    "EchoAgent",
    "Ended",
    "ReceivedMessage",
    "ReplyAgent",
    "SimulatedCall",
    "Simulator",
    "SpeakAgent",
    "UnreadableWavError",
    "open_simulator",
]
