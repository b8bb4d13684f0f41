"""A ws-media connection until its call has begun: server_info, bind, call_info, and their quirks."""

import json
from collections.abc import Collection, Iterable, Iterator

import trio

from sfclient.simulator._codecs import WS_MEDIA_CODECS
from sfclient.simulator._orders import BadBindError, Order, Orders
from sfclient.simulator._wire import POLICY_VIOLATION, Wire, WireClosed

# What a client has to put up with; see `open_simulator`.
QUIRKS = {
    "server_name": "server_info names the connection under the key server_name",
    "late_server_info": "server_info comes 2 s late",
    "no_server_info": "server_info never comes",
    "nameless_server_info": "server_info has no name",
    "chatty": "a text message of another type comes before server_info and before call_info",
    "early_audio": "20 ms of the agent's audio come before server_info (as l16, and in no call's "
    "sent_audio) and before call_info",
    "no_call_info": "call_info never comes",
    "rtp_anyway": "the agent's audio comes as RTP though payload was ordered",
    "payload_anyway": "the agent's audio comes without RTP though RTP was ordered",
    "no_sid": "orders are answered with an empty sid: the client must connect to wsMediaUrl",
}

_LATE_SECONDS = 2.0
_HELLO = json.dumps({"type": "hello"})


def checked_quirks(names: Iterable[str]) -> frozenset[str]:
    """Raises ValueError for a name that is not in `QUIRKS`."""
    quirks = frozenset(names)
    if unknown := quirks - QUIRKS.keys():
        raise ValueError(f"unknown quirk {min(unknown)!r}: use {', '.join(QUIRKS)}")
    return quirks


async def wait_for_bind(wire: Wire, orders: Orders) -> Order | None:
    """What a connection without a call says, until it is bound; None if it is over without."""
    try:
        with orders.waiting() as name:
            with trio.move_on_after(orders.lifetime):
                await _introduce(wire, name, orders.quirks)
                return orders.bind(name, await wire.recv())
        await wire.aclose(POLICY_VIOLATION, f"no bind within {orders.lifetime:g} s")
    except BadBindError as exc:
        await wire.aclose(POLICY_VIOLATION, str(exc))
    except WireClosed:
        pass
    return None


async def _introduce(wire: Wire, name: str, quirks: Collection[str]) -> None:
    """Say server_info, or what `quirks` make of it."""
    if "chatty" in quirks:
        await wire.send(_HELLO)
    if "early_audio" in quirks:
        codec = WS_MEDIA_CODECS["l16"]
        await wire.send(codec.encode(_early_pcm(codec.samplerate)))
    if "late_server_info" in quirks:
        await trio.sleep(_LATE_SECONDS)
    info = {"type": "server_info"}
    if "nameless_server_info" not in quirks:
        info["server_name" if "server_name" in quirks else "server-name"] = name
    if "no_server_info" not in quirks:
        await wire.send(json.dumps(info))


def first_messages(order: Order, quirks: Collection[str]) -> Iterator[str | bytes]:
    """The first messages to a client that was bound."""
    if "chatty" in quirks:
        yield _HELLO
    if "early_audio" in quirks:
        yield from order.codecs.agent_messages(_early_pcm(order.codecs.agent.samplerate), None)
    if "no_call_info" not in quirks:
        yield json.dumps(
            {
                "type": "call_info",
                "callId": order.call_id,
                "modelId": order.body["modelId"],
                "wsMediaCodec": order.codec_name,
                "wsMediaFraming": order.framing,
            }
        )


def _early_pcm(samplerate: int) -> bytes:
    """PCM16 of a constant value for 20 ms, which is no silence in any codec."""
    return b"\x00\x10" * (samplerate // 50)
