"""One request and its answer over a stream, in HTTP/1.1: in time, of bounded length, read by h11.

Whatever bytes come, there is an `Answer` or `Unanswered`. A refusal keeps its status, however its body ends.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

import h11
import trio

from sfaudio import __version__
from sfclient._dialects import json_object
from sfclient._secrets import Secrets

HEAD_BYTES = 1 << 16  # all that comes before the body, 1xx answers too
BODY_BYTES = 1 << 20  # longer than any that the contracts know, short enough to be read at once
REFUSAL_BODY_BYTES = 1 << 16
REFUSAL_BODY_SECONDS = 1.0  # what it says is of less use than its status, which waits for it
READ_BYTES = 1 << 14
USER_AGENT = f"sfclient/{__version__}"


How = Literal["silent", "broken", "closed", "spoke"]  # spoke: something else than HTTP/1.1


class Unanswered(Exception):  # noqa: N818 -- whose error it is, the caller knows
    """What the far side did instead of answering: ``closed the connection``."""

    def __init__(self, how: How, what: str) -> None:
        super().__init__(what)
        self.how = how


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, which may be a refusal."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    rest: bytes = field(default=b"", repr=False)
    """What came behind the head, where the stream is no longer HTTP."""

    def header(self, name: str) -> str:
        """Its values, lower or upper case as they came, with commas between; empty if it is not there."""
        values = [value for key, value in self.headers if key == name.lower().encode()]
        return b", ".join(values).decode("latin-1")

    @property
    def date(self) -> datetime | None:
        """By the far side's clock; None if it does not tell."""
        return _date(self.header("Date"))

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from either form of the header (RFC 9110, 10.2.3); None if it does not say."""
        told = self.header("Retry-After")
        if told.isdecimal():
            return float(told[:9])
        until = _date(told)
        if until is None:
            return None
        # By the far side's own clock, if it tells: ours may be wrong.
        now = self.date or datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())


def told_by(answer: Answer, secrets: Secrets) -> str:
    """What a refusal says of itself, ready to be put behind ours; empty if it says nothing fit to be read.

    One client has seen `error` in a JSON object. A page of HTML is for browsers.
    """
    if 300 <= answer.status < 400:
        return _quoted(" to ", secrets.printable(_host_of(answer.header("Location"))))
    text = answer.body.decode(errors="replace").strip()
    if (fields := json_object(text)) is not None:
        error = fields.get("error")
        text = error if isinstance(error, str) else ""
    return "" if text.startswith("<") else _quoted(": ", secrets.printable(text))


def _quoted(before: str, text: str) -> str:
    return f'{before}"{text}"' if text else ""


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


async def exchange(
    stream: trio.abc.Stream, request: h11.Request, body: bytes = b"", *, seconds: float
) -> Answer:
    """Send a request, and read the answer within so many seconds. Raises `Unanswered`.

    The stream is good for nothing afterwards, but for one that is no longer HTTP.
    """
    connection = h11.Connection(h11.CLIENT, 2 * HEAD_BYTES)  # we are the first to say so
    events = [request, *([h11.Data(body)] if body else []), h11.EndOfMessage()]
    said = b"".join(connection.send(event) or b"" for event in events)
    refusal: Answer | None = None
    with trio.CancelScope(deadline=trio.current_time() + seconds) as patience:
        with suppress(trio.BrokenResourceError):  # who refuses may have answered, and closed
            await stream.send_all(said)
        head = await _read_head(stream, connection)
        status, headers = head.status_code, list(head.headers)
        if connection.their_state is h11.SWITCHED_PROTOCOL:
            return Answer(status, headers, rest=connection.trailing_data[0])
        content = bytearray()
        # For who wants to upgrade, any other answer is a refusal, and its body may have no end.
        if 200 <= status < 300 and b"upgrade" not in dict(request.headers):
            await _read_body(stream, connection, content, BODY_BYTES)
            return Answer(status, headers, bytes(content))
        refusal = Answer(status, headers)
        patience.deadline = trio.current_time() + REFUSAL_BODY_SECONDS
        with suppress(Unanswered):
            await _read_body(stream, connection, content, REFUSAL_BODY_BYTES)
    if refusal is None:
        raise Unanswered("silent", f"did not answer within {seconds:g} s")
    return Answer(status, headers, bytes(content))


async def _read_head(
    stream: trio.abc.Stream, connection: h11.Connection
) -> h11.Response | h11.InformationalResponse:
    """The head of the answer; those of 100, 102 and 103 before it are passed over."""
    most = HEAD_BYTES
    while True:
        event = _next_event(connection)
        if isinstance(event, h11.Response):
            return event
        if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
            return event
        if event is h11.NEED_DATA:
            if most <= 0:
                raise Unanswered("spoke", "answered with a head that does not end")
            data = await _receive(stream)
            if not data:
                raise Unanswered("closed", "closed the connection without an answer")
            most -= len(data)
            connection.receive_data(data)


async def _read_body(
    stream: trio.abc.Stream, connection: h11.Connection, content: bytearray, most: int
) -> None:
    while not isinstance(event := _next_event(connection), h11.EndOfMessage):
        if isinstance(event, h11.Data):
            content += event.data
            if len(content) > most:
                raise Unanswered("spoke", "does not stop answering")
        elif event is h11.NEED_DATA:
            connection.receive_data(await _receive(stream))
        else:
            raise Unanswered("closed", "closed the connection in mid-answer")


def _next_event(connection: h11.Connection) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
    try:
        return connection.next_event()
    except h11.RemoteProtocolError as error:
        if str(error).startswith("peer "):  # "peer closed connection without sending ..."
            raise Unanswered("closed", "closed the connection in mid-answer") from None
        # What follows the colon is what came: it may hold anything.
        what = str(error).partition(":")[0]
        raise Unanswered("spoke", f"answered something that is no HTTP/1.1 ({what})") from None


async def _receive(stream: trio.abc.Stream) -> bytes:
    try:
        return bytes(await stream.receive_some(READ_BYTES))
    except trio.BrokenResourceError:
        raise Unanswered("broken", "broke the connection") from None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
