"""The far side of `benchmarks/scale.py`: agents that speak all the time, and a note of when each message came.

A process without a websocket library, so that one core has room for a hundred calls: of a message only the header is
read. It prints its two ports, of which the second leads to agents who do not read; and, when all who came have gone,
what it saw in the last `--seconds` of each call.

When a message came is what the kernel noted of its last byte (SO_TIMESTAMPNS), however late this process reads it; but
what it reads at once came at one time. Where the kernel tells nothing, it is the time of reading.
"""

import argparse
import base64
import hashlib
import heapq
import json
import re
import select
import socket
import struct
import time
from array import array
from contextlib import suppress
from itertools import cycle, pairwise

CHUNK_SECONDS = 0.02
SPEECH = b"\x82\x7e\x02\x80" + bytes(range(160)) * 4  # a message of 640 bytes
TEXTS = ('{"type": "server_info", "server-name": "scale"}', '{"type": "status_agent_ready"}')
GREETING = b"".join(bytes([0x81, len(text)]) + text.encode() for text in TEXTS)
ANSWER = b"HTTP/1.1 101 Here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
KEY = re.compile(rb"\r\nsec-websocket-key: *(\S+)", re.IGNORECASE)
BINARY, PING, PONG = 0x82, 0x89, 0x8A
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python does not name it
PERCENTILES = {"p1": 0.01, "p50": 0.5, "p99": 0.99, "most": 1.0}
GOLDEN = 0.618034  # its multiples are spread evenly, however many they are


class Agent:
    """One connection. It speaks at each beat, and reads when there is something."""

    def __init__(self, connection: socket.socket, is_reading: bool, messages_at_once: int) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.arrivals = array("d")
        self.is_open = True
        self.is_reading = is_reading
        self.is_talking = False
        self.untimed = 0
        self._socket = connection
        self._ahead = messages_at_once
        self._unread = bytearray()
        self._unsent = bytearray()

    def read(self) -> None:
        try:
            data, ancillary, _, _ = self._socket.recvmsg(1 << 16, 64)
        except OSError:
            data, ancillary = b"", []  # has hung up
        self.is_open = bool(data)
        self._unread += data
        if not self.is_talking:
            self._shake_hands()
            return
        now = time.time()
        for _, _, told in ancillary:
            seconds, nanoseconds = struct.unpack("qq", told)
            now = seconds + 1e-9 * nanoseconds
        came = self._take_messages()
        self.arrivals.extend([now] * came)
        self.untimed += 0 if ancillary else came

    def _shake_hands(self) -> None:
        if b"\r\n\r\n" in self._unread and (key := KEY.search(self._unread)):
            accept = base64.b64encode(hashlib.sha1(key[1] + GUID, usedforsecurity=False).digest())
            self._unsent += ANSWER % accept + GREETING + SPEECH * self._ahead
            self._unread.clear()
            self.is_talking = True

    def _take_messages(self) -> int:
        """How many of sound have become whole."""
        came = 0
        while len(self._unread) >= 10:
            kind, length = self._unread[:2]
            length &= 127  # all are masked
            whole = 6 + length
            if length >= 126:
                (long_length,) = struct.unpack_from(
                    "!H" if length == 126 else "!Q", self._unread, 2
                )
                whole = (8 if length == 126 else 14) + long_length
            if len(self._unread) < whole:
                break
            if kind == PING:
                mask, payload = self._unread[2:6], self._unread[6:whole]
                self._unsent += bytes([PONG, length])
                self._unsent += bytes(a ^ b for a, b in zip(payload, cycle(mask), strict=False))
            del self._unread[:whole]
            came += kind == BINARY
        return came

    def speak(self) -> None:
        """The next 20 ms, unless they were said at once; what the network does not take waits."""
        if not self.is_talking:
            return
        if self._ahead:
            self._ahead -= 1
        else:
            self._unsent += SPEECH
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self.is_open = False

    def spacing(self, seconds: float) -> list[float]:
        """Between the messages of the last seconds."""
        since = self.arrivals[-1] - seconds
        return [late - early for early, late in pairwise(self.arrivals) if early >= since]


def listen(is_reading: bool) -> socket.socket:
    listener = socket.socket()
    if not is_reading:  # Small segments keep the client's buffer small too: it is soon full.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


def serve(
    listeners: dict[int, tuple[socket.socket, bool]], messages_at_once: int
) -> tuple[list[Agent], float]:
    """Hold calls until there have been some and all are over; also, how busy that was since the last one began."""
    poll = select.epoll()
    for number in listeners:
        poll.register(number, select.EPOLLIN)
    agents: dict[int, Agent] = {}
    beats: list[tuple[float, int]] = []
    began = cpu_then = 0.0
    while not agents or beats:
        wait = max(0.0, beats[0][0] - time.perf_counter()) if beats else None
        for number, _ in poll.poll(wait):
            if number in listeners:
                listener, is_reading = listeners[number]
                connection, _ = listener.accept()
                number = connection.fileno()
                agents[number] = Agent(connection, is_reading, messages_at_once)
                poll.register(number, select.EPOLLIN)
                beat = time.perf_counter() // CHUNK_SECONDS + 1 + GOLDEN * len(agents) % 1
                heapq.heappush(beats, (CHUNK_SECONDS * beat, number))
                began, cpu_then = time.perf_counter(), time.process_time()
            else:
                agent = agents[number]
                agent.read()
                if not agent.is_open or (agent.is_talking and not agent.is_reading):
                    poll.unregister(number)
        while beats and beats[0][0] <= time.perf_counter():
            due, number = beats[0]
            agents[number].speak()
            if agents[number].is_open:
                heapq.heapreplace(beats, (due + CHUNK_SECONDS, number))
            else:
                heapq.heappop(beats)
    busy = (time.process_time() - cpu_then) / (time.perf_counter() - began)
    return list(agents.values()), busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, required=True, help="at the end, that are told of")
    parser.add_argument(
        "--at-once", type=int, default=0, help="messages that each agent begins with"
    )
    args = parser.parse_args()
    listeners = [(listen(is_reading), is_reading) for is_reading in (True, False)]
    print(*(listener.getsockname()[1] for listener, _ in listeners), flush=True)
    agents, busy = serve({told[0].fileno(): told for told in listeners}, args.at_once)
    came = [agent for agent in agents if agent.arrivals]
    spacing = sorted(gap for agent in came for gap in agent.spacing(args.seconds))
    last = len(spacing) - 1
    seen = {
        "calls": len(came),
        "messages": len(spacing) / len(came) / args.seconds,
        "joined": sum(gap == 0 for gap in spacing) / len(spacing),
        "far_side": busy,
        "untimed": sum(agent.untimed for agent in came),
        **{name: 1e3 * spacing[round(last * share)] for name, share in PERCENTILES.items()},
    }
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
