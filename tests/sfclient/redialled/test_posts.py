"""A POST that starts a call, where the call is redialled."""

import dataclasses

import pytest
import trio

from sfclient import (
    Connected,
    NetworkError,
    Redial,
    Redialing,
    ServiceError,
    Session,
    StartedCall,
)
from sfclient._dialects import HttpRequest
from sfclient._http import service_at

from ..conftest import START
from .conftest import Kiosk, until, ws_media_only


class TestPost:
    """One that starts a call is made once, and again only where it certainly did nothing."""

    @ws_media_only
    @pytest.mark.parametrize(
        ("answer", "redialled"),
        [
            ((500, {}), False),
            ((502, {}), False),
            ((200, {}), False),
            ((503, {"callId": "c-1"}), False),
            ((503, {}), True),
            ((429, {}), True),
        ],
        ids=str,
    )
    async def test_by_its_answer(self, kiosk, fast_clock, answer, redialled) -> None:
        async with kiosk(answers={START: answer}) as it:
            with pytest.raises(ServiceError) as told:
                async with it.call(redial=Redial(first_pause=0.1, most_in_a_row=1)) as call:
                    await call.wait_ended()
            assert told.value.may_have_begun is not redialled
            assert it.simulator.requests[START] == 1 + redialled

    @ws_media_only
    async def test_one_without_an_answer_is_not_repeated(self, kiosk, fast_clock) -> None:
        async def fetch() -> Session:
            session = await Kiosk.fetch(it)
            start = session.start_call

            async def start_call(name: str) -> StartedCall:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(cut)
                    return await start(name)

            async def cut() -> None:
                while it.simulator.requests[START] == 0:  # noqa: ASYNC110 -- nobody tells us
                    await trio.sleep(0.01)
                it.proxy.reset()

            return dataclasses.replace(session, start_call=start_call)

        async with kiosk() as it:
            it.fetch = fetch
            with pytest.raises(NetworkError) as told:
                async with it.call() as call:
                    await call.wait_ended()
            assert told.value.may_have_begun
            assert it.simulator.requests[START] == 1

    async def test_one_that_reaches_nobody_certainly_did_nothing(self) -> None:
        service = service_at("http://127.0.0.1:1", "key", None, None, allow_insecure=False)
        with pytest.raises(NetworkError) as told:
            await service.ask(HttpRequest("POST", "/"))
        assert told.value.may_have_begun is False

    @ws_media_only
    @pytest.mark.parametrize(
        ("said", "redialled"), [(None, False), (True, False), (False, True)], ids=str
    )
    async def test_an_own_function_that_does_not_say_may_have_done_it(
        self, kiosk, fast_clock, said, redialled
    ) -> None:
        asked = 0

        async def start_call(name: str) -> StartedCall:
            nonlocal asked
            asked += 1
            raise NetworkError("the backend did not answer", may_have_begun=said)

        async def fetch() -> Session:
            return dataclasses.replace(await Kiosk.fetch(it), start_call=start_call)

        async with kiosk() as it:
            it.fetch = fetch
            with pytest.raises(NetworkError, match="backend"):
                async with it.call(redial=Redial(first_pause=0.1, most_in_a_row=2)) as call:
                    await call.wait_ended()
        assert asked == (3 if redialled else 1)

    @ws_media_only
    async def test_one_that_is_refused_as_the_connection_was_lost_is_the_network_s_fault(
        self, kiosk, fast_clock
    ) -> None:
        async def fetch() -> Session:
            session = await Kiosk.fetch(it)
            start = session.start_call

            async def start_call(name: str) -> StartedCall:
                if it.fetched == 1:
                    it.proxy.reset()
                    await trio.sleep(0.5)
                return await start(name)

            return dataclasses.replace(session, start_call=start_call)

        async with kiosk() as it:
            it.fetch = fetch
            async with it.call() as call:
                redialing = await until(call, Redialing)
                await until(call, Connected)
        assert redialing.ended.by == "network"
        assert (it.simulator.requests[START], len(it.simulator.calls)) == (2, 1)

    @ws_media_only
    async def test_a_call_that_has_begun_and_is_lost_before_sound_flows_is_not_dialled_anew(
        self, kiosk, fast_clock
    ) -> None:
        async def fetch() -> Session:
            session = await Kiosk.fetch(it)
            start = session.start_call

            async def start_call(name: str) -> StartedCall:
                started = await start(name)
                it.proxy.reset()
                return started

            return dataclasses.replace(session, start_call=start_call)

        async with kiosk() as it:
            it.fetch = fetch
            with pytest.raises(NetworkError) as told:
                async with it.call() as call:
                    await call.wait_ended()
            assert told.value.may_have_begun
            assert told.value.call_id
            assert it.simulator.requests[START] == 1
