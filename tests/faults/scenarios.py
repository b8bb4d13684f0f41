"""What can go wrong, one line each: who takes over when, what he does, and what is expected of the client."""

import struct
from collections.abc import Iterable
from typing import Any

from sfclient import (
    AgentNotFoundError,
    AuthenticationError,
    NetworkError,
    ServiceError,
    SfclientError,
    UsageError,
)
from sfclient.testing import NETWORKS as NAMED
from sfclient.testing import Close, Corrupt, HalfClose, Link, Network, Reset, Stall, network_named

from ..sfclient.raw_servers import close_frame, frame
from .bench import Scenario
from .far_side import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    SID,
    SPEECH,
    TEXT,
    TOKEN,
    Moment,
    Step,
    accept,
    cut,
    deaf,
    drip,
    end,
    flood,
    hold,
    http,
    mute,
    reset,
    speak,
    talk,
    wait,
)

WIDGET: Any = ("widget",)
WS_MEDIA: Any = ("ws-media",)
PARTIES = {None: "agent", NetworkError: "network", ServiceError: "agent"}


def at(
    moment: Moment,
    name: str,
    error: type[SfclientError] | None,
    *script: Step,
    **expected: Any,
) -> Scenario:
    """A script of the raw server."""
    party = PARTIES.get(error, "caller")
    if error is None and "hang_up" in expected:
        party = "caller"
    return Scenario(f"{moment}: {name}", moment, script, error, **{"party": party} | expected)


def over(
    name: str,
    error: type[SfclientError] | None,
    *script: Step,
    up: Link | None = None,
    down: Link | None = None,
    **expected: Any,
) -> Scenario:
    """A network, and what the raw server does behind it in mid-call."""
    party = "agent" if error is None else "network"
    if error is None and "hang_up" in expected:
        party = "caller"
    network = Network(up or Link(), down or Link())
    options = {"party": party, "network": network} | expected
    return Scenario(f"network: {name}", "call", script, error, **options)


def quirk(name: str, error: type[SfclientError] | None = None, **expected: Any) -> Scenario:
    """Of the simulator, whose agent says three seconds."""
    options: dict[str, Any] = {"party": "agent", "dialects": WS_MEDIA}
    if error is None:
        options = options | {"party": "caller", "hang_up": 6.0, "played": 2.9, "within": 2.0}
    return Scenario(f"quirk: {name}", "simulator", (), error, quirks=(name,), **options | expected)


def echoed(moment: Moment, before: str = "", after: str = "") -> bytes:
    """A message that says the secrets that the client has by then."""
    known = [KEY] if moment == "session" else [KEY, TOKEN]
    return (before + " ".join(known) + after).encode()


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


SWITCHING = ("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
ANY_ACCEPT = "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="
BYE = close_frame(1000, "bye")
HUNG_UP: dict[str, Any] = {"hang_up": 1.0, "within": 2.0}
HELLO = frame(TEXT, b'{"type": "hello"}')
DEEP = b"[" * 100_000
PROTOCOL = {"played": 0.9, "within": 1.0}  # said before a frame that cannot be
BREAKS = speak(1), wait(1.2)


def breaking(name: str, *frames: Step, **expected: Any) -> Scenario:
    """A frame that is none, when a second of speech has sounded."""
    return at("call", name, ServiceError, *BREAKS, *frames, **PROTOCOL | expected)


def closing(code: int, error: type[SfclientError] | None, **expected: Any) -> Scenario:
    """A close code; what was said before an end in order is heard out."""
    script = speak(1), close_frame(code, "told")
    expected = (
        {"status": code} | ({"played": 1.0, "within": 2.0} if error is None else {}) | expected
    )
    return at("call", f"close {code}", error, *script, **expected)


def refusing(moment: Moment, status: int, error: type[SfclientError], **expected: Any) -> Scenario:
    body = {"error": "no"}
    expected = {"status": status, "says": str(status)} | expected
    return at(moment, f"HTTP {status}", error, http(status, body), **expected)


# One line each, where it fits.
# fmt: off
ON_THE_WAY: Iterable[Scenario] = [
    at("tcp", "closed at once", NetworkError, cut, command=True),
    at("tcp", "reset at once", NetworkError, reset),
    at("tcp", "no answer", NetworkError, hold, within=9.0),
    at("tcp", "garbage", ServiceError, b"\0\xff\x17garbage\r\n\r\n" * 9, end, wait(1)),
    at("tcp", "a head that never ends", NetworkError, drip(head("200 OK")[:-2] * 99, 1.0), within=9.0),
    at("tcp", "a head without end, fast", ServiceError, b"HTTP/1.1 200 OK\r\n", flood(b"A: b\r\n", 20), within=9.0),
    at("tcp", "closed in the head", NetworkError, wait(0.1), b"HTTP/1.1 200 O", end, wait(1)),
    at("tcp", "no TLS but HTTP", NetworkError, wait(0.1), head("400 Bad Request"), end, wait(1), tls="trusted"),
    at("tcp", "no TLS but garbage", NetworkError, wait(0.1), b"\0" * 99, end, wait(1), tls="trusted"),
    at("tcp", "a TLS alert", NetworkError, wait(0.1), b"\x15\x03\x01\x00\x02\x02\x28", wait(1), tls="trusted"),
    at("tcp", "no TLS but silence", NetworkError, hold, tls="trusted", within=9.0),
    at("tcp", "TLS is reset", NetworkError, wait(0.1), reset, tls="trusted"),
    at("tcp", "TLS is closed", NetworkError, wait(0.1), end, wait(1), tls="trusted"),
    at("session", "a certificate of nobody known", NetworkError, tls="unknown", says="not to be trusted"),
    at("session", "a certificate of another host", NetworkError, tls="other host", says="not to be trusted"),
    at("call", "TLS works", None, speak(1), BYE, tls="trusted", within=2.0, played=1.0),
    at("call", "TLS ends without a close", NetworkError, speak(1), wait(1.2), end, tls="trusted", played=0.9),
    at("call", "TLS is reset in mid-call", NetworkError, speak(1), wait(1.2), reset, tls="trusted", played=0.9),
]

AT_THE_SESSION: Iterable[Scenario] = [
    refusing("session", 400, ServiceError),
    refusing("session", 401, AuthenticationError, command=True),
    refusing("session", 402, UsageError),
    refusing("session", 403, AuthenticationError),
    refusing("session", 404, AgentNotFoundError, dialects=WIDGET, command=True),
    refusing("session", 404, ServiceError, dialects=WS_MEDIA),
    refusing("session", 429, ServiceError),
    refusing("session", 500, ServiceError),
    refusing("session", 503, ServiceError, command=True),
    at("session", "a redirect", ServiceError, http(301, b"", "Location: /elsewhere"), status=301),
    at("session", "an empty answer", ServiceError, http(200)),
    at("session", "HTML", ServiceError, http(200, b"<html>"), says="base URL"),
    at("session", "a list", ServiceError, http(200, [])),
    at("session", "no URL", ServiceError, http(200, {"sessionURL": 5, "wsMediaBaseUrl": None})),
    at("session", "nested without end", ServiceError, http(200, DEEP)),
    at("session", "a URL of another kind", ServiceError,
        http(200, {"sessionURL": "ftp://a/", "wsMediaBaseUrl": "ftp://a/"})),
    at("session", "a URL that is none", ServiceError,
        http(200, {"sessionURL": "wss://[", "wsMediaBaseUrl": "wss://["})),
    at("session", "two megabytes", ServiceError, http(200, b" " * (2 << 20))),
    at("session", "an answer without end", ServiceError, head("200 OK"), flood(b" " * 16_384, 20), within=9.0),
    at("session", "an answer that drips", NetworkError, head("200 OK", "Content-Length: 99"), drip(b" " * 99, 1.0),
        within=9.0),
    at("session", "half an answer", NetworkError, head("200 OK", "Content-Length: 99"), b"{", end, wait(1)),
    at("session", "chunks that are none", ServiceError, head("200 OK", "Transfer-Encoding: chunked"), b"xyz\r\n", end,
        wait(1)),
    at("session", "bytes that are no header", ServiceError, b"HTTP/1.1 200 OK\r\n\xff\xfe\r\n\r\n", end, wait(1)),
    at("session", "what is compressed, uncalled for", ServiceError,
        http(200, b"\x1f\x8b\0\0", "Content-Encoding: gzip")),
    at("session", "an error that echoes the secrets", ServiceError,
        http(500, {"error": echoed("session", "no: ").decode()}), command=True),
    at("session", "a header that echoes the secrets", NetworkError, b"HTTP/1.1 ", echoed("session"), end, wait(1)),
    at("session", "a line that echoes the secrets", ServiceError, b"HTTP/1.1 200 OK\r\n",
        echoed("session", "", "\r\n\r\n"), end, wait(1)),
    at("session", "a redirect that echoes the secrets", ServiceError,
        http(302, b"", "Location: " + echoed("session", "/").decode())),
]

AT_THE_UPGRADE: Iterable[Scenario] = [
    refusing("upgrade", 401, ServiceError),
    refusing("upgrade", 403, ServiceError, says="request a new one", command=True),
    refusing("upgrade", 404, ServiceError),
    refusing("upgrade", 410, ServiceError),
    refusing("upgrade", 429, ServiceError),
    refusing("upgrade", 500, ServiceError),
    refusing("upgrade", 503, ServiceError),
    at("upgrade", "a refusal with no length", ServiceError, head("403 Forbidden"), b"used up", end, wait(1),
        status=403),
    at("upgrade", "a refusal that ends in its body", ServiceError, head("403 Forbidden", "Content-Length: 99"), b"used",
        end, wait(1), status=403),
    at("upgrade", "a page", ServiceError, http(200, b"<html>")),
    at("upgrade", "a redirect", ServiceError, http(302, b"", "Location: /elsewhere"), status=302),
    at("upgrade", "closed", ServiceError, end, wait(1)),
    at("upgrade", "reset", NetworkError, reset),
    at("upgrade", "no answer", NetworkError, hold, within=9.0),
    at("upgrade", "half an answer", NetworkError, head("101 Switching Protocols")[:-2], hold, within=9.0),
    at("upgrade", "a head that drips", NetworkError, drip(b"HTTP/1.1 101 Switching Protocols\r\n" * 9, 1.0),
        within=9.0),
    at("upgrade", "a head without end", ServiceError, b"HTTP/1.1 101 Switching Protocols\r\n", flood(b"A: b\r\n", 20),
        within=9.0),
    at("upgrade", "garbage", ServiceError, b"\0\xff\x17garbage\r\n\r\n" * 9),
    at("upgrade", "bytes that are no header", ServiceError, b"HTTP/1.1 101 Switching Protocols\r\n\xff\xfe\r\n\r\n"),
    at("upgrade", "a header beyond ASCII", ServiceError, head(*SWITCHING, "Sec-WebSocket-Accept: \xe4\xf6\xfc")),
    at("upgrade", "the wrong key", ServiceError, head(*SWITCHING, ANY_ACCEPT)),
    at("upgrade", "no key", ServiceError, head(*SWITCHING)),
    at("upgrade", "another protocol", ServiceError,
        head("101 Switching Protocols", "Upgrade: h2c", "Connection: Upgrade", ANY_ACCEPT)),
    at("upgrade", "100 without end", ServiceError, flood(head("100 Continue"), 20), within=9.0),
    at("upgrade", "a line that echoes the secrets", ServiceError, b"HTTP/1.1 101 Switching Protocols\r\n",
        echoed("upgrade", "", "\r\n\r\n"), end, wait(1), command=True),
    at("upgrade", "a refusal that echoes the secrets", ServiceError,
        http(403, {"error": echoed("upgrade").decode()}, "X: " + echoed("upgrade").decode())),
    at("upgrade", "speech with the answer", None, accept, speak(1), BYE, dialects=WIDGET, played=0.9, within=2.0),
    at("upgrade", "100 and 103 before 101", None, head("100 Continue"), head("103 Early Hints", "Link: </a>"), accept,
        speak(1), BYE, dialects=WIDGET, played=0.9, within=2.0),
]

AT_THE_GREETING: Iterable[Scenario] = [
    at("greeting", "only pings are answered", ServiceError, within=31.0, dialects=WIDGET),
    at("greeting", "no server_info", ServiceError, within=9.0, dialects=WS_MEDIA, says="server_info"),
    at("greeting", "close 1000", None, BYE, dialects=WIDGET, within=3.0),
    at("greeting", "close 1000", ServiceError, BYE, dialects=WS_MEDIA, status=1000),
    at("greeting", "close 1008", ServiceError, close_frame(1008, "no"), status=1008, command=True),
    at("greeting", "a close that echoes the secrets", ServiceError,
        frame(CLOSE, echoed("greeting", "\3\xf1").replace(b"\xc3\xb1", b"\xf1")), status=1009),
    at("greeting", "ends", NetworkError, end),
    at("greeting", "reset", NetworkError, reset),
    at("greeting", "speech before all else", None, speak(1), wait(2), BYE, dialects=WIDGET, played=0.9, within=4.0),
    at("greeting", "pings without end", ServiceError, flood(frame(PING, b"?"), 40), dialects=WS_MEDIA, within=9.0),
    at("greeting", "speech without end", ServiceError, flood(SPEECH, 40), dialects=WS_MEDIA, within=9.0),
    at("greeting", "texts without end", ServiceError, flood(HELLO, 40), dialects=WS_MEDIA, within=9.0),
    at("greeting", "no name", ServiceError, frame(TEXT, b'{"type": "server_info"}'), dialects=WS_MEDIA),
    at("greeting", "a name that is none", ServiceError, frame(TEXT, b'{"type": "server_info", "server-name": [1]}'),
        dialects=WS_MEDIA),
    at("greeting", "a name that cannot be sent", ServiceError,
        frame(TEXT, b'{"type": "server_info", "server-name": "\\ud800"}'), dialects=WS_MEDIA),
    at("greeting", "a name of a megabyte", ServiceError,
        frame(TEXT, b'{"type": "server_info", "server-name": "' + b"a" * (1 << 20) + b'"}'), dialects=WS_MEDIA,
        within=9.0),
]

AT_THE_START: Iterable[Scenario] = [
    scenario
    for scenario in [
        refusing("start", 400, UsageError, command=True),
        refusing("start", 401, AuthenticationError),
        refusing("start", 404, AgentNotFoundError),
        refusing("start", 429, ServiceError),
        refusing("start", 502, ServiceError, command=True),
        refusing("start", 503, ServiceError),
        at("start", "no answer", NetworkError, hold, within=21.0, says="may have been done"),
        at("start", "reset", NetworkError, reset, says="may have been done"),
        at("start", "half an answer", NetworkError, head("200 OK", "Content-Length: 99"), b"{", end, wait(1),
            says="may have been done"),
        at("start", "an empty object", ServiceError, http(200, {})),
        at("start", "a sid that is none", ServiceError, http(200, {"sid": 5, "callId": ["x"]})),
        at("start", "an error that echoes the secrets", ServiceError,
            http(502, {"error": echoed("start", "no: ").decode(), "sid": SID})),
        at("start", "another URL of another kind", ServiceError, http(200, {"wsMediaUrl": "http://127.0.0.1/" + SID})),
        at("bind", "no answer", None, wait(2.5), speak(1), BYE, within=5.0, played=0.9),
        at("bind", "speech instead", None, speak(1), BYE, within=2.0, played=0.9),
        at("bind", "texts of other kinds", None, HELLO * 9, speak(1), BYE, within=2.0, played=0.9),
        at("bind", "close 1008", ServiceError, close_frame(1008, "no such sid"), status=1008),
        at("bind", "a close that echoes the sid", ServiceError, close_frame(1008, f"no {SID}"), status=1008,
            command=True),
        at("bind", "reset", NetworkError, reset),
        at("bind", "an illegal frame", ServiceError, frame(3)),
    ]
    for scenario in [Scenario(**vars(scenario) | {"dialects": WS_MEDIA})]
]

FRAMES: Iterable[Scenario] = [
    breaking("a masked frame", frame(TEXT, b"{}", mask=b"\1\2\3\4")),
    breaking("a reserved bit", frame(BINARY, b"\0\0", rsv=4), command=True),
    breaking("all reserved bits", frame(TEXT, b"{}", rsv=7)),
    breaking("an unknown opcode", frame(3)),
    breaking("an unknown control opcode", frame(11)),
    breaking("a ping in fragments", frame(PING, b"", final=False)),
    breaking("a ping of 126 bytes", frame(PING, bytes(126))),
    breaking("a close of one byte", frame(CLOSE, b"\3")),
    breaking("a close that says 999", close_frame(999)),
    breaking("a close that says 1005", close_frame(1005)),
    breaking("a close that says 1006", close_frame(1006)),
    breaking("a close reason that is no UTF-8", frame(CLOSE, b"\3\xe8\xff\xfe")),
    breaking("a text that is no UTF-8", frame(TEXT, b"\xff\xfe")),
    breaking("a text that ends in a character", frame(TEXT, b"\xe2\x82")),
    breaking("a continuation of nothing", frame(CONTINUATION, b"..")),
    breaking("a text in the midst of fragments", frame(BINARY, b"\0\0", final=False), frame(TEXT, b"{}")),
    breaking("a length with the highest bit", b"\x82\x7f\xff" + bytes(7)),
    breaking("a length of 2 to the 62nd", b"\x82\x7f\x40" + bytes(7), flood(bytes(4096), 20), status=1009, within=20.0),
    breaking("a length that is written too long", b"\x82\x7f" + struct.pack(">Q", 4) + bytes(4)),
    breaking("a message of 17 MiB", frame(BINARY, bytes(17 << 20)), status=1009, within=3.0),
    breaking("fragments of 17 MiB", frame(BINARY, bytes(1 << 20), final=False),
        frame(CONTINUATION, bytes(1 << 20), final=False) * 16, status=1009, within=3.0),
    breaking("fragments without end", frame(TEXT, b"a", final=False),
        frame(CONTINUATION, b"a" * 4096, final=False) * 4400, status=1009, within=20.0),
    breaking("garbage", bytes(range(3, 256)) * 9),
    breaking("an HTTP answer", http(500, b"oh")),
    at("call", "frames byte by byte", None, drip(speak(0.05) + BYE, 0.0), within=3.0, played=0.04),
    at("call", "a ping between fragments", None, frame(BINARY, SPEECH[4:], final=False), frame(PING, b"?"),
        frame(CONTINUATION, SPEECH[4:]), BYE, within=3.0, played=0.03),
    at("call", "empty messages", None, frame(BINARY) * 99, frame(TEXT) * 99, speak(1), BYE, within=3.0, played=0.9),
    at("call", "messages of a byte", None, *[frame(BINARY, b"\x10")] * 3200, BYE, within=5.0, played=0.09),
    at("call", "a minute at once", None, speak(60), BYE, within=63.0, played=59.9),
    at("call", "texts of all kinds", None, frame(TEXT, b"\0\1"), frame(TEXT, DEEP), frame(TEXT, b"[1]"),
        frame(TEXT, "\u202e\x1b[2J".encode()), BYE, within=2.0, command=True),
    at("call", "a text that echoes the secrets", None, frame(TEXT, echoed("call", '{"type": "x", "y": "', '"}')),
        frame(TEXT, echoed("call")), BYE, within=2.0, command=True),
]

ENDS: Iterable[Scenario] = [
    closing(1000, None, command=True),
    closing(1001, None),
    closing(3000, None),
    closing(4999, None),
    closing(1002, ServiceError),
    closing(1003, ServiceError, dialects=WIDGET),
    closing(1003, None, dialects=WS_MEDIA),
    closing(1007, ServiceError),
    closing(1008, ServiceError, dialects=WIDGET),
    closing(1008, None, dialects=WS_MEDIA),
    closing(1009, ServiceError),
    closing(1011, ServiceError, dialects=WIDGET, command=True),
    closing(1011, None, dialects=WS_MEDIA),
    closing(1012, ServiceError, dialects=WIDGET),
    closing(1013, ServiceError, dialects=WIDGET),
    closing(1014, ServiceError, dialects=WIDGET, status=None),
    at("call", "close without a code", None, speak(1), frame(CLOSE), within=3.0, played=0.9, status=1005),
    at("call", "a close that echoes the secrets", None, close_frame(4001, echoed("call", "x ").decode()), within=2.0,
        command=True),
    at("call", "a close that echoes the sid", None, close_frame(4001, f"no {SID}"), dialects=WS_MEDIA, within=2.0),
    at("call", "a text that echoes the sid", None, frame(TEXT, SID.encode()), BYE, dialects=WS_MEDIA, within=2.0),
    at("call", "closes twice", None, speak(1), BYE * 2, within=3.0, played=0.9),
    at("call", "speaks after its close", None, speak(1), BYE, speak(5), within=4.0, played=0.9),
    at("call", "garbage after its close", None, speak(1), BYE, b"\xff" * 999, within=4.0, played=0.9),
    at("call", "does not end after its close", None, speak(1), mute, BYE, hold, within=4.0, played=0.9),
    at("call", "floods after its close", None, mute, BYE, flood(SPEECH, 20), within=4.0),
    at("call", "ends", NetworkError, speak(1), wait(1.2), end, played=0.9, command=True),
    at("call", "ends in mid-frame", NetworkError, speak(1), wait(1.2), SPEECH[:99], end, played=0.9),
    at("call", "is cut", NetworkError, speak(1), wait(1.2), cut, played=0.9),
    at("call", "reset", NetworkError, speak(1), wait(1.2), reset, played=0.9, command=True),
    at("call", "reset in mid-frame", NetworkError, speak(1), wait(1.2), SPEECH[:99], reset, played=0.9),
    at("call", "reset at once", NetworkError, reset),
    at("call", "does not answer our close", None, mute, **HUNG_UP | {"within": 2.6}),
    at("call", "does not read our close", None, deaf, **HUNG_UP | {"within": 3.6}),
    at("call", "speaks on when we hang up", None, flood(SPEECH, 20), **HUNG_UP),
    at("call", "texts on when we hang up", None, flood(HELLO, 20), command=True, **HUNG_UP),
    at("call", "pings on when we hang up", None, flood(frame(PING, b"?"), 20), command=True, **HUNG_UP),
    at("call", "pongs that nobody asked for", None, flood(frame(PONG, b"?"), 20), **HUNG_UP),
    at("call", "empty fragments without end", None, frame(TEXT, b"", final=False),
        flood(frame(CONTINUATION, final=False), 20), **HUNG_UP),
    at("call", "empty messages without end", None, flood(frame(TEXT), 20), **HUNG_UP),
    at("call", "hang-up in the midst of a message", None, b"\x82\x7f" + struct.pack(">Q", 1 << 20),
        drip(bytes(999), 0.1), **HUNG_UP),
]

LIVENESS: Iterable[Scenario] = [
    at("call", "silence", NetworkError, mute, hold, within=31.0, says="20 s"),
    at("call", "reads nothing, says nothing", NetworkError, deaf, mute, hold, within=31.0),
    at("call", "silence in mid-frame", NetworkError, mute, SPEECH[:99], hold, within=31.0),
    at("call", "only pings are answered", None, hang_up=45.0, within=2.0),
    at("call", "speaks on, and answers no ping", None, mute, talk(40), BYE, within=44.0, played=39.0),
    at("call", "pings, and answers none", None, mute, *[frame(PING, b"?"), wait(5)] * 9, BYE, within=50.0),
    at("call", "three minutes and a half at once", None, speak(190), BYE, within=195.0, played=189.0,
        is_recorded=False),
]

NETWORKS: Iterable[Scenario] = [
    over("a delay of half a second", None, speak(1), BYE, up=Link(delay=0.5), down=Link(delay=0.5), within=4.0,
        played=0.9),
    over("a delay with jitter", None, talk(2), BYE, down=Link(delay=0.2, jitter=0.2, seed=1), within=6.0, played=1.9),
    over("byte by byte", None, speak(0.1), BYE, down=Link(split=1), within=5.0, played=0.09),
    over("in odd pieces", None, speak(1), BYE, down=Link(split=(1, 999), seed=2), within=4.0, played=0.9),
    over("all at once, every half second", None, talk(2), BYE, up=Link(coalesce=0.5), down=Link(coalesce=0.5),
        within=6.0, played=1.9),
    over("a slow link, 1.4 times what speech needs", None, speak(45), BYE, down=Link(rate=45_000), within=50.0,
        played=44.0),
    over("a link too slow for our speech", None, wait(30), BYE, up=Link(rate=10_000, limit=4096), within=36.0),
    over("a stall of 6 s", None, speak(1), wait(1), BYE, up=Link(faults=(Stall(20_000, 6.0),)),
        down=Link(faults=(Stall(20_000, 6.0),)), within=12.0, played=0.9),
    over("a stall without end", NetworkError, talk(60), up=Link(faults=(Stall(20_000),)),
        down=Link(faults=(Stall(20_000),)), within=31.0, played=0.4),
    over("a stall of what we say, without end", NetworkError, up=Link(faults=(Stall(20_000),), limit=4096),
        within=31.0),
    over("a stall of the upgrade", NetworkError, down=Link(faults=(Stall(0),)), within=9.0),
    over("corrupts speech", None, speak(1), BYE, down=Link(faults=(Corrupt(1000),)), within=3.0, played=0.9),
    over("corrupts the upgrade", ServiceError, down=Link(faults=(Corrupt(5),)), party="agent"),
    over("closes", NetworkError, talk(5), down=Link(faults=(Close(30_000),)), played=0.4, within=3.0),
    over("half-closes what the agent says", NetworkError, talk(5), down=Link(faults=(HalfClose(30_000),)), played=0.4,
        within=3.0),
    over("half-closes what we say", NetworkError, up=Link(faults=(HalfClose(20_000),)), within=31.0),
    over("resets", NetworkError, talk(5), down=Link(faults=(Reset(30_000),)), played=0.4, within=3.0, command=True),
    over("resets on our side", NetworkError, talk(5), up=Link(faults=(Reset(20_000),)), within=3.0),
    over("resets in the upgrade", NetworkError, down=Link(faults=(Reset(20),))),
    *(over(f"{name}, by name", None, talk(8), BYE, up=network.up, down=network.down, within=14.0, played=7.9)
        for name in NAMED for network in [network_named(name)]),
]

QUIRKS: Iterable[Scenario] = [
    quirk("server_name"),
    quirk("late_server_info"),
    quirk("no_server_info", ServiceError, within=9.0, says="server_info"),
    quirk("nameless_server_info", ServiceError, says="server-name", command=True),
    quirk("chatty"),
    quirk("early_audio"),
    quirk("no_call_info"),
    quirk("rtp_anyway"),
    quirk("payload_anyway"),
    quirk("no_sid"),
]
# fmt: on

SCENARIOS: list[Scenario] = [
    *ON_THE_WAY,
    *AT_THE_SESSION,
    *AT_THE_UPGRADE,
    *AT_THE_GREETING,
    *AT_THE_START,
    *FRAMES,
    *ENDS,
    *LIVENESS,
    *NETWORKS,
    *QUIRKS,
]
