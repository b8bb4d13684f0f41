"""Whatever a server sends, a call ends by the errors that are documented, in time and memory, and its books close."""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from sfclient import (
    Audio,
    MemoryInput,
    MemoryOutput,
    ServiceError,
    SfclientError,
    StartedCall,
    open_call,
)
from sfclient._dialects import (
    DIALECTS,
    Action,
    AgentReady,
    Dialect,
    Established,
    PassOn,
    Play,
    Reconnect,
    Send,
    StartCall,
    WaitAtMost,
    json_object,
)

from ..sfclient.books import capture_errors, playout_errors
from ..sfclient.raw_servers import accepted, frame, read_head
from .far_side import SID, Connection, FarSide, end, hold, reset
from .streams import messages, stream
from .wires import open_descriptors, session_of, wired_to

resource = pytest.importorskip("resource", reason="counts the memory as POSIX does")

GREETINGS = {
    "widget": '{"type": "status_agent_ready"}',
    "ws-media": '{"type": "server_info", "server-name": "a"}',
}
PATIENCE_SECONDS = (
    15.0  # virtual: for server_info that never comes, and for a close that nobody answers
)
HANG_UP_SECONDS = 0.2
MOST_GROWTH = 32 << 20
BATCH = 500
TAPES = st.binary(min_size=20, max_size=400)

SPOKEN = [
    ("widget", None, None),
    *(
        ("ws-media", codec, framing)
        for codec in ("l16", "pcmu", "pcma")
        for framing in ("payload", "rtp")
    ),
]


@pytest.fixture
def many(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--streams"))


def fuzz(check: Callable[..., None], many: int, *strategies: st.SearchStrategy[Any]) -> None:
    """So many examples, the same each time; in batches, each of which hypothesis keeps in memory."""
    for batch in range(0, many, BATCH):
        options = settings(
            max_examples=min(BATCH, many - batch),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        seed(batch)(options(given(*strategies)(check)))()


class Memory:
    """The peak of this process, in bytes."""

    def __init__(self) -> None:
        self.look()

    def look(self) -> None:
        """Growth is counted from here on."""
        self._before = self._peak()

    def _peak(self) -> int:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak << 10

    def growth(self) -> int:
        return self._peak() - self._before


class Conversation:
    """A dialect, led through its handshake as a call does it, by what it says itself."""

    def __init__(self, dialect: Dialect, started: StartedCall) -> None:
        self._dialect = dialect
        self._started = started
        self._is_waiting = self._is_established = self._knows_sid = False
        self.played = self.sent = 0

    def take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Play(data):
                    assert len(data) % 2 == 0
                    self.played += len(data)
                case Send(message):
                    assert isinstance(message, str)
                    self.sent += 1
                case WaitAtMost(seconds):
                    assert 0 < seconds < 60
                    self._is_waiting = True
                case StartCall(name):
                    assert not self._is_established
                    assert name
                    self._knows_sid = bool(self._started.sid)
                    self.take(self._dialect.started(self._started))
                case Reconnect(url):
                    assert url == self._started.url
                    self.take(self._dialect.opened())
                case Established():
                    assert not self._is_established
                    self._is_established, self._is_waiting = True, False
                    self.take(self._dialect.recording())
                case PassOn(text):
                    assert SID not in text or not self._knows_sid
                    fields = json_object(text)
                    assert fields is None or isinstance(fields, dict)
                case _:
                    assert isinstance(action, AgentReady)

    def receive(self, message: str | bytes | None) -> None:
        """None: the time is up."""
        if message is not None:
            self.take(self._dialect.received(message))
        elif self._is_waiting:
            self._is_waiting = False
            self.take(self._dialect.timed_out())


@pytest.mark.parametrize(("name", "codec", "framing"), SPOKEN)
def test_dialect_answers_any_messages_with_actions_or_its_own_error(
    name: str, codec: str | None, framing: str | None, many: int
) -> None:
    started = st.sampled_from([StartedCall(SID), StartedCall("", url="wss://a/")])

    def check(data: bytes, call: StartedCall) -> None:
        script = messages(data)
        dialect = DIALECTS[name](codec, framing)
        conversation = Conversation(dialect, call)
        told = ""
        heard = sum(len(message) for message in script if isinstance(message, bytes))
        try:
            conversation.take(dialect.opened())
            for message in script:
                conversation.receive(message)
            conversation.take(dialect.closed())
        except ServiceError as raised:
            told = str(raised)
        assert SID not in told
        assert conversation.played <= heard * 2 // dialect.bytes_a_frame
        assert conversation.sent <= 1
        assert all(isinstance(count, int) and count >= 0 for count in dialect.statistics().values())

    fuzz(check, many, TAPES, started)


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
def test_call_ends_in_order_whatever_the_stream(
    dialect: str, many: int, capsys: pytest.CaptureFixture[str]
) -> None:
    descriptors = open_descriptors()
    outcomes: dict[str, int] = {}
    memory = Memory()

    def check(data: bytes, is_greeted: bool, pause: float, last: Any) -> None:
        clock = trio.testing.MockClock(autojump_threshold=0)
        told = trio.run(_call, dialect, stream(data), is_greeted, pause, last, clock=clock)
        outcomes[told] = outcomes.get(told, 0) + 1
        if sum(outcomes.values()) == BATCH:  # all is imported, and allocated once
            memory.look()
        assert open_descriptors() == descriptors

    pauses = st.sampled_from([0.0, 0.001, 0.03])
    fuzz(
        check,
        many,
        TAPES,
        st.booleans() | st.just(True),
        pauses,
        st.sampled_from([end, reset, None, hold]),
    )
    assert memory.growth() < MOST_GROWTH
    if many > 1000:
        with capsys.disabled():
            peak = memory.growth() / 2**20
            print(
                f"\n{sum(outcomes.values())} streams in {dialect}, {peak:.1f} MiB more at the peak: {outcomes}"
            )


async def _call(
    dialect: str, pieces: list[bytes], is_greeted: bool, pause: float, last: Any
) -> str:
    far = FarSide(dialect, "call", (), "http")

    async def serve(own: trio.SocketStream) -> None:
        connection = Connection(own, far)
        await connection.send(accepted(await read_head(own)))
        if is_greeted:
            await connection.send(frame(1, GREETINGS[dialect].encode()))
        async with trio.open_nursery() as nursery:
            if last is not hold:
                nursery.start_soon(connection.listen)
            with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                for piece in pieces:
                    await connection.send(piece)
                    await trio.sleep(pause)
                if last is not None:
                    await last(connection)

    call = None
    told = "in order"
    async with wired_to(serve):
        with trio.fail_after(PATIENCE_SECONDS):
            try:
                audio = Audio(MemoryInput(), MemoryOutput())
                async with open_call(session_of(dialect), audio) as call:
                    with trio.move_on_after(HANG_UP_SECONDS):
                        async for _ in call:
                            pass
            except SfclientError as error:
                told = type(error).__name__
    if call is not None:
        figures = call.statistics()
        assert figures.ended is not None
        assert figures.capture.queued_frames == figures.playout.queued_frames == 0
        assert capture_errors(figures.capture) + playout_errors(figures.playout) == []
    return told
