"""What holds of both dialects, without I/O."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfclient import StartedCall
from sfclient._dialects import Dialect, PassOn, Play, WidgetDialect, WsMediaDialect

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
