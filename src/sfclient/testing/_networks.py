"""Networks by name, for tests that tell which one they passed on."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from sfclient._errors import UsageError
from sfclient.testing._network import Link, Network
from sfclient.testing._trace import MESSAGE_SECONDS, Trace, read_trace

TRACE_PREFIX = "trace:"

STEADY = Link(delay=0.03)  # a line at home, and a service on the same continent
WIFI_DELAY, WIFI_JITTER = 0.05, 0.04  # where neighbours share the air: 10 to 90 ms
# A cell that changes on a train: two seconds of nothing about every ten, so that each turn of a short call may be hit.
STALL_SECONDS, STALL_PERIOD, STALL_BEGIN = 2.0, 10.0, (4.0, 5.5)
SLOW_PACE = 0.9  # of a voice that is made slower than it is spoken: a second is missing after nine
# A voice that is made sentence by sentence: what is gathered for so long comes at so many times real time.
BURST_SECONDS = 1.0
BURST_FROM_SECONDS = (
    0.01  # of sound that comes at once; less, as a pong, is not held, but behind sound
)
THROTTLED_PACE = 1.25  # enough, but to catch up a second takes four
TRACE_SECONDS = 60.0  # of what is made by chance, which then begins again
# Bytes. A trace that was recorded knows no sender that had to wait: ours has to when half a minute is under way.
TRACE_LIMIT = 1 << 22


class _Sound(NamedTuple):
    """Bytes in a second of sound, in each direction."""

    up: float
    down: float


def _steady(seed: int, sound: _Sound) -> Network:
    return Network(STEADY, STEADY)


def _jitter(seed: int, sound: _Sound) -> Network:
    up, down = (Link(trace=_jittering(f"{seed} {way}")) for way in ("up", "down"))
    return Network(up, down)


def _stall(seed: int, sound: _Sound) -> Network:
    link = replace(STEADY, trace=_stalling(seed))
    return Network(link, link)


def _slow_producer(seed: int, sound: _Sound) -> Network:
    return Network(STEADY, replace(STEADY, rate=SLOW_PACE * sound.down))


def _burst_3x(seed: int, sound: _Sound) -> Network:
    return _burst(sound, 3.0)


def _burst_10x(seed: int, sound: _Sound) -> Network:
    return _burst(sound, 10.0)


def _throttled(seed: int, sound: _Sound) -> Network:
    up, down = (replace(STEADY, rate=THROTTLED_PACE * byterate) for byterate in sound)
    return Network(up, down)


def _burst(sound: _Sound, pace: float) -> Network:
    """The caller's speech is not held: it is the agent's that is made."""
    rate = pace * sound.down
    least = math.ceil(BURST_FROM_SECONDS * sound.down)
    # There is room for what gets through while the next is gathered, else a fast sender would be slower than that.
    limit = math.ceil(BURST_SECONDS * rate)
    burst = replace(STEADY, coalesce=BURST_SECONDS, coalesce_from=least, rate=rate, limit=limit)
    return Network(STEADY, burst)


def _jittering(seed: str) -> Trace:
    """By the time at which it was sent, so that a message more or less does not change all that follow."""
    chance = random.Random(seed)  # noqa: S311 -- no secret
    least, most = WIFI_DELAY - WIFI_JITTER, WIFI_DELAY + WIFI_JITTER
    arrivals = (sent + chance.uniform(least, most) for sent in _sent())
    return Trace(tuple(accumulate(arrivals, max)))  # none overtakes


def _stalling(seed: int) -> Trace:
    """The same in both directions at once: the air is silent."""
    chance = random.Random(seed)  # noqa: S311 -- no secret
    count = round(TRACE_SECONDS / STALL_PERIOD)
    begins = [STALL_PERIOD * number + chance.uniform(*STALL_BEGIN) for number in range(count)]

    def arrival(sent: float) -> float:
        begin = begins[int(sent / STALL_PERIOD)]
        return max(sent, begin + STALL_SECONDS) if sent >= begin else sent

    return Trace(tuple(map(arrival, _sent())))


def _sent() -> list[float]:
    """When the messages of a trace are sent."""
    return [number * MESSAGE_SECONDS for number in range(round(TRACE_SECONDS / MESSAGE_SECONDS))]


_NAMED: Mapping[str, tuple[Callable[[int, _Sound], Network], str]] = {
    "steady": (_steady, f"{1000 * STEADY.delay:.0f} ms each way, as a good line at home"),
    "jitter": (
        _jitter,
        f"{1000 * (WIFI_DELAY - WIFI_JITTER):.0f} to {1000 * (WIFI_DELAY + WIFI_JITTER):.0f} ms each way, another "
        "for each message, as a crowded Wi-Fi",
    ),
    "stall": (
        _stall,
        f"nothing gets through for {STALL_SECONDS:g} s about every {STALL_PERIOD:g} s, both ways at once, as on a "
        f"train; the first time {STALL_BEGIN[0]:g} to {STALL_BEGIN[1]:g} s after the connection began",
    ),
    "slow-producer": (
        _slow_producer,
        f"the agent's speech comes at {SLOW_PACE:g} of the pace at which it is played",
    ),
    "burst-3x": (
        _burst_3x,
        f"the agent's speech is held for {BURST_SECONDS:g} s, and comes three times as fast as it is played",
    ),
    "burst-10x": (
        _burst_10x,
        f"the agent's speech is held for {BURST_SECONDS:g} s, and comes ten times as fast as it is played",
    ),
    "throttled": (
        _throttled,
        f"each way has {THROTTLED_PACE:g} of what sound needs, as a subscription that is used up: "
        "what was late is caught up slowly",
    ),
}

NETWORKS: Mapping[str, str] = MappingProxyType({name: what for name, (_, what) in _NAMED.items()})
"""What `network_named` knows by name, and a line about each."""


def network_named(name: str, seed: int = 0, *, up: float = 96_000, down: float = 32_000) -> Network:
    """The network with a name of `NETWORKS`, or ``trace:FILE``: in both directions as `read_trace` reads it.

    A trace is read from its file, so it may block.

    Raises `UsageError` for another name, or what is no trace; ValueError for `up` or `down` that cannot be.

    Parameters
    ----------
    name
        Of the network.
    seed
        Of all that is random in it: the same seed is the same network.
    up, down
        Bytes in a second of sound from the caller, and from the agent, for networks that are as fast or slow as sound
        is: 96 000 and 32 000 in the widget dialect; in ws-media both are 32 000 with ``l16``, 8000 with G.711.
    """
    sound = _Sound(up, down)
    for byterate in sound:
        if not 0 < byterate < math.inf:
            raise ValueError(f"{byterate} is no number of bytes in a second of sound: give one")
    if name.startswith(TRACE_PREFIX):
        if not (path := name.removeprefix(TRACE_PREFIX)):
            raise UsageError("the network trace: wants a file, as in trace:FILE")
        link = Link(trace=read_trace(path), limit=TRACE_LIMIT)
        return Network(link, link)
    if name not in _NAMED:
        names = ", ".join(_NAMED)
        raise UsageError(f"there is no network {name!r}: use {names}, or {TRACE_PREFIX}FILE")
    make, _ = _NAMED[name]
    return make(seed, sound)
