"""Streams of a hostile server, as hypothesis makes them up: messages, frames valid and not, split anywhere."""

import json
import struct
from typing import Any

from hypothesis import strategies as st

from ..sfclient.raw_servers import close_frame, frame
from .far_side import SID

TYPES = ["status_agent_ready", "server_info", "call_info", "bind", "error", "", None, 5]
FIELDS = ["type", "server-name", "server_name", "sid", "error", "callId"]

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
objects = st.dictionaries(
    st.sampled_from(FIELDS), st.sampled_from([*TYPES, SID, "a", {}]) | json_values, max_size=4
)
texts = (
    objects.map(json.dumps)
    | st.sampled_from(
        ['{"type": "server_info", "server-name": "a"}', '{"type": "call_info"}', "[" * 5000]
    )
    | json_values.map(json.dumps)
    | st.text(max_size=50)
)


@st.composite
def rtp_packets(draw: st.DrawFn) -> bytes:
    """What may be RTP, with numbers that may follow each other."""
    first = draw(st.sampled_from([0x80, 0x90, 0xA0, 0xBF, 0x8F, 0x40]))
    payload_type = draw(st.sampled_from([0, 8, 13, 96, 97, 127, 255]))
    sequence = draw(st.sampled_from([0, 1, 2, 3, 101, 3000, 3001, 32768, 65535]))
    head = struct.pack("!BBHII", first, payload_type, sequence, draw(st.integers(0, 3)) * 320, 1)
    return head + draw(st.binary(max_size=20) | st.sampled_from([bytes(160), bytes(640)]))


sounds = (
    st.binary(max_size=40)
    | rtp_packets()
    | st.integers(0, 4000).map(lambda length: b"\x10" * length)
)
messages = texts | sounds

control = st.sampled_from([8, 9, 10])
frames = st.one_of(
    texts.map(lambda text: frame(1, text.encode("utf-8", "surrogatepass"))),
    sounds.map(lambda sound: frame(2, sound)),
    st.binary(max_size=10).map(lambda data: frame(9, data)),
    st.builds(frame, st.integers(0, 2), st.binary(max_size=99), final=st.booleans()),
    st.builds(frame, control, st.binary(max_size=130), final=st.booleans()),
    st.builds(close_frame, st.integers(0, 65535), st.text(max_size=20)),
)
broken_frames = st.one_of(
    st.builds(
        frame, st.integers(0, 15), st.binary(max_size=9), final=st.booleans(), rsv=st.integers(0, 7)
    ),
    st.builds(
        frame, st.integers(0, 2), st.binary(max_size=9), mask=st.binary(min_size=4, max_size=4)
    ),
    st.builds(
        lambda length: b"\x82\x7f" + struct.pack(">Q", length), st.integers(0, (1 << 64) - 1)
    ),
    st.binary(max_size=30),
)


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Frames, few of them broken, in pieces as they are sent."""
    whole = draw(st.lists(frames, max_size=12))
    if draw(st.booleans()):
        whole.insert(draw(st.integers(0, len(whole))), draw(broken_frames))
    stream = b"".join(whole)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    return [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
