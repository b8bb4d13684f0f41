"""What holds of both dialects, without I/O."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfclient import StartedCall
from sfclient._dialects import AgentReady, Dialect, PassOn, Play, WidgetDialect, WsMediaDialect

TEXTS = [
    "",
    "no json",
    '{"type": "hello"}',
    '{"type": "status_agent_ready"}',
    '{"type": "call_info"}',
]


def talking(kind: type[Dialect]) -> Dialect:
    """A dialect whose handshake is over."""
    dialect = kind()
    list(dialect.opened())
    if dialect.starts_calls:
        list(dialect.received('{"type": "server_info", "server-name": "m"}'))
        list(dialect.started(StartedCall("sid")))
        list(dialect.received('{"type": "call_info"}'))
    return dialect


@pytest.mark.parametrize(("kind", "wire"), [(WidgetDialect, "<i2"), (WsMediaDialect, ">i2")])
@given(data=st.data(), samples=st.lists(st.integers(-32768, 32767), max_size=50))
def test_samples_split_anywhere_are_handed_over_whole(kind, wire, data, samples):
    """Texts may come in between, and at the end half a sample."""
    sent = np.array(samples, wire).tobytes() + data.draw(st.binary(max_size=1))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)))))
    dialect = talking(kind)
    played = b""
    for begin, end in itertools.pairwise([0, *cuts, len(sent)]):
        for text in data.draw(st.lists(st.sampled_from(TEXTS), max_size=2)):
            assert not any(isinstance(action, Play) for action in dialect.received(text))
        for action in dialect.received(sent[begin:end]):
            assert isinstance(action, Play)
            assert action.data
            assert len(action.data) % 2 == 0
            played += action.data
    assert list(dialect.closed()) == []
    assert played == np.array(samples, "<i2").tobytes()


@pytest.mark.parametrize("kind", [WidgetDialect, WsMediaDialect])
def test_text_of_another_type_is_passed_on(kind):
    for kept in ('{"type": ["call_info"]}', '{"type": null}', '{"type": "opened"}', "[]"):
        (action,) = talking(kind).received(kept)
        assert isinstance(action, PassOn)
        assert action.text == kept


@pytest.mark.parametrize("kind", [WidgetDialect, WsMediaDialect])
def test_text_that_is_no_use_here_is_not_parsed(kind, monkeypatch):
    dialect = talking(kind)
    monkeypatch.setattr("sfclient._dialects._interface.json_object", None)
    for text in ('{"type": "transcript", "text": "I am ready"}', "no json", "", "[" * 100_000):
        (action,) = dialect.received(text)
        assert isinstance(action, PassOn)


@pytest.mark.parametrize("kind", [WidgetDialect, WsMediaDialect])
def test_text_that_is_too_long_is_cut_whatever_it_says(kind):
    for type_ in ("status_agent_ready", "call_info"):
        text = json.dumps({"type": type_, "more": "x" * 100_000})
        assert list(talking(kind).received(text)) == [PassOn(text[:65_536], len(text) - 65_536)]


def spelled(word: str, escaped: int) -> str:
    """It as a JSON string, with these of its letters escaped."""
    ways = [
        f"\\u{ord(letter):04x}" if escaped >> at & 1 else letter for at, letter in enumerate(word)
    ]
    return f'"{"".join(ways)}"'


ESCAPED = st.just(0) | st.integers(0, (1 << 18) - 1)
KEYS = st.builds(spelled, st.sampled_from(["type", "Type", "text"]), ESCAPED)
VALUES = st.builds(spelled, st.sampled_from(["status_agent_ready", "status_agent_read"]), ESCAPED)
VALUES |= st.sampled_from(["7", "null", '["status_agent_ready"]', '{"type": "status_agent_ready"}'])
OBJECTS = st.lists(st.tuples(KEYS, VALUES).map(":".join), max_size=3).map(",".join)
MESSAGES = st.tuples(st.sampled_from(["{", " {", "[{", ""]), OBJECTS, st.sampled_from(["}", "}]"]))


@given(MESSAGES.map("".join))
def test_agent_is_ready_if_and_only_if_the_parsed_message_says_so(text: str) -> None:
    """Although most texts are not parsed."""
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    is_ready = isinstance(fields, dict) and fields.get("type") == "status_agent_ready"
    assert list(WidgetDialect().received(text)) == [AgentReady() if is_ready else PassOn(text)]
