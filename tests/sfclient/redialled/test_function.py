"""A function that fetches the session of a call."""

import traceback
from functools import partial
from typing import Any

import pytest
import trio

from sfclient import (
    Audio,
    Connected,
    MemoryInput,
    NetworkError,
    NullOutput,
    Redial,
    Session,
    TimeLimits,
    UsageError,
    open_call,
    request_session,
)

from ..conftest import listen
from .conftest import until


class TestFunction:
    """That fetches a session."""

    async def test_brings_the_session_when_devices_and_files_are_open(
        self, kiosk, fast_clock
    ) -> None:
        opened: list[str] = []

        class Speaker(NullOutput):
            def open(self, samplerate: int) -> int:
                opened.append("speaker")
                return samplerate

        async with kiosk() as it:

            async def fetch() -> Session:
                opened.append("session")
                return await it.fetch()

            audio = Audio(MemoryInput(), Speaker())
            async with open_call(fetch, audio, dialect=it.dialect) as call:
                await until(call, Connected)
        assert opened == ["speaker", "session"]

    @pytest.mark.parametrize(
        ("raised", "kind", "told"),
        [
            (NetworkError("no backend"), NetworkError, "no backend"),
            (UsageError("not you"), UsageError, "not you"),
            (ConnectionRefusedError(111, "Connection refused"), NetworkError, "Connection refused"),
            (TimeoutError(), NetworkError, "TimeoutError"),
            (trio.TooSlowError(), NetworkError, "TooSlowError"),
            (KeyError("secret"), UsageError, "raised KeyError"),
        ],
        ids=repr,
    )
    async def test_its_errors_are_told_by_whose_fault_it_was(
        self, raised, kind, told, dialect
    ) -> None:
        async def fetch() -> Session:
            raise raised

        with pytest.raises(kind, match=told) as error:
            async with open_call(fetch, Audio("none", "none"), dialect=dialect):
                raise AssertionError
        assert type(error.value) is kind
        assert "secret" not in str(error.value)
        assert error.value is raised or error.value.__cause__ is raised

    @pytest.mark.parametrize(
        ("session", "told"),
        [
            (Session("ws://127.0.0.1/", "ws-media", start_call=listen), "dialect='ws-media'"),
            (Session("ws://127.0.0.1/", "opus"), "opus"),
            ("ws://127.0.0.1/?token=secret", "must return a Session, not str"),
            (None, "must return a Session, not NoneType"),
            (Session(None), "URL of a session must be text, not NoneType"),
        ],
        ids=["dialect", "unknown", "text", "nothing", "no URL"],
    )
    async def test_one_that_brings_something_else_is_told_what(self, session, told) -> None:
        async def fetch() -> Any:
            return session

        with pytest.raises(UsageError, match=told) as error:
            async with open_call(fetch, Audio("none", "none")):
                raise AssertionError
        assert "secret" not in str(error.value)

    async def test_the_key_that_it_holds_is_in_no_frame_of_an_error(self) -> None:
        fetch = partial(request_session, "agent", api_key="key-7731", base_url="http://127.0.0.1:1")

        async def call(**options: Any) -> None:
            async with open_call(fetch, Audio("none", "none"), **options) as held:
                await held.wait_ended()

        for options in ({}, {"redial": Redial(first_pause=0.01, most_in_a_row=1)}):
            with pytest.raises(NetworkError) as error:
                await call(**options)
            shown = traceback.TracebackException.from_exception(error.value, capture_locals=True)
            ours = [frame for frame in shown.stack if "site-packages" in frame.filename]
            assert len(ours) > 5
            assert "key-7731" not in "".join(str(frame.locals) for frame in ours)

    async def test_a_codec_that_it_was_not_told_of(self) -> None:
        async def fetch() -> Session:
            return Session("ws://127.0.0.1/", "ws-media", "pcmu", start_call=listen)

        with pytest.raises(UsageError, match="codec='pcmu'"):
            async with open_call(fetch, Audio("none", "none"), dialect="ws-media"):
                raise AssertionError

    async def test_one_that_is_not_async_is_told_so(self) -> None:
        def fetch() -> str:
            return "ws://127.0.0.1/?token=secret"

        with pytest.raises(UsageError, match="must return a Session, not str"):
            async with open_call(fetch, Audio("none", "none")):
                raise AssertionError

    async def test_one_that_never_comes_back_is_given_up(self, autojump_clock) -> None:
        limits = TimeLimits(get_session=5)
        with pytest.raises(NetworkError, match="within 5 s"):
            async with open_call(trio.sleep_forever, Audio("none", "none"), limits=limits):
                raise AssertionError
        assert trio.current_time() == pytest.approx(5, abs=0.1)


async def test_codec_and_framing_are_the_session_s_own() -> None:
    with pytest.raises(UsageError, match="said by the session"):
        async with open_call(Session("ws://127.0.0.1/"), Audio("none", "none"), codec="l16"):
            raise AssertionError
