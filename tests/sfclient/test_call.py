"""A call from end to end: what is said arrives bit for bit, whatever comes is survived, and every ending is told."""

import itertools
import socket
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import trio
import trio.testing
from websockets.exceptions import ConnectionClosed
from websockets.utils import accept_key

from sfclient import (
    Audio,
    Connected,
    Connecting,
    Disconnected,
    MemoryInput,
    MemoryOutput,
    MessageReceived,
    NetworkError,
    ServiceError,
    UsageError,
    WavInput,
    WavOutput,
    open_call,
)
from sfclient._call import Call
from sfclient._dialects import WidgetDialect
from sfclient._sound import Capture, Playout
from sfclient.simulator import EchoAgent, SimulatedCall, SpeakAgent


@asynccontextmanager
async def open_stalled_peer(seconds: float) -> AsyncIterator[str]:
    """A websocket server that does not read for so long after the upgrade, on a connection with small buffers."""

    async def serve(stream: trio.SocketStream) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some()
        key = next(
            line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = accept_key(key.split(b":")[1].strip().decode())
        await stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )
        await trio.sleep(seconds)
        with suppress(trio.BrokenResourceError):
            while await stream.receive_some():
                pass

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


READY = '{"type": "status_client_ready"}'


def noise(seconds: float, samplerate: int, seed: int = 1) -> bytes:
    """No two stretches alike, and no sample zero, so that nothing can go missing unseen."""
    samples = np.random.default_rng(seed).integers(1, 32768, round(seconds * samplerate), np.int16)
    samples[::2] *= -1
    return samples.tobytes()


def without_silence(pcm: bytes) -> bytes:
    samples = np.frombuffer(pcm, np.int16)
    return samples[samples != 0].tobytes()


async def listen(call: SimulatedCall) -> None:
    await call.client_ready()
    await trio.sleep_forever()


def write_wav(path: Path, pcm: bytes, samplerate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(samplerate)
        file.writeframes(pcm)
    return path


class TestUplink:
    async def test_wav_arrives_bit_for_bit_after_one_client_ready(self, hold, fast_clock, tmp_path):
        spoken = noise(1.5, 48_000)
        path = write_wav(tmp_path / "spoken.wav", spoken, 48_000)
        async with hold(listen, microphone=WavInput(path)) as held:
            await trio.sleep(2.5)
        (call,) = held.simulator.calls
        assert call.received_audio.startswith(spoken)
        assert not any(call.received_audio[len(spoken) :])
        assert call.messages[0].kind == "text"
        assert call.texts == [READY]

    async def test_chunks_are_20_ms_and_paced_by_the_clock(self, hold):
        async with hold(listen) as held:
            await trio.sleep(2)
        (call,) = held.simulator.calls
        chunks = [message for message in call.messages if message.kind == "binary"]
        assert {chunk.length for chunk in chunks} == {1920}
        assert 1.5 < len(chunks) * 0.02 < 2.5

    async def test_chunk_length_can_be_chosen(self, hold, fast_clock):
        async with hold(listen, chunk_seconds=0.1) as held:
            await trio.sleep(1)
        assert {m.length for m in held.simulator.calls[0].messages if m.kind == "binary"} == {9600}

    async def test_sent_frames_are_those_that_arrived(self, hold, fast_clock):
        async with hold(listen, say=noise(1, 48_000)) as held:
            await trio.sleep(1.5)
        call = await held.simulator.wait_call()
        arrived = len(call.received_audio) // 2
        assert held.call.statistics().capture.sent_frames == arrived

    async def test_mute_sends_zeros_at_the_same_pace(self, hold, fast_clock):
        async with hold(listen, say=noise(3, 48_000)) as held:
            await trio.sleep(0.5)
            held.call.mute()
            assert held.call.muted
            await trio.sleep(1)
            held.call.mute(False)
            await trio.sleep(0.5)
        samples = np.frombuffer(held.simulator.calls[0].received_audio, np.int16)
        silent = np.flatnonzero(samples == 0)
        assert 0.7 < len(silent) / 48_000 < 1.3
        assert np.all(np.diff(silent) == 1)  # one stretch
        assert 1.5 < len(samples) / 48_000 < 2.5

    async def test_other_rates_are_resampled(self, hold, fast_clock, tmp_path):
        time = np.arange(2 * 44_100) / 44_100
        tone = (10_000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
        path = write_wav(tmp_path / "tone.wav", tone.tobytes(), 44_100)
        async with hold(listen, microphone=WavInput(path)) as held:
            await trio.sleep(2.5)
        arrived = np.frombuffer(held.simulator.calls[0].received_audio, np.int16)[4800:91_200]
        spectrum = np.abs(np.fft.rfft(arrived * np.hanning(len(arrived))))
        assert spectrum.argmax() == round(1000 * len(arrived) / 48_000)
        assert held.call.statistics().capture.sent_frames > 2 * 48_000


class TestDownlink:
    @pytest.mark.parametrize(
        "lengths",
        [1, 2, 3, 641, 640, 65_536, [1, 7, 640, 65_535, 2, 3]],
        ids=str,
    )
    @pytest.mark.parametrize("pace", ["realtime", "burst"])
    async def test_speech_is_played_bit_for_bit(self, hold, fast_clock, lengths, pace):
        spoken = noise(0.1 if lengths in (1, 2, 3) else 2, 16_000)

        async def speak(call: SimulatedCall) -> None:
            await call.client_ready()
            at = 0
            for length in itertools.cycle(lengths if isinstance(lengths, list) else [lengths]):
                await call.send(spoken[at : at + length])
                at += length
                if at >= len(spoken):
                    break
                if pace == "realtime":
                    await trio.sleep(length / 32_000)

        async with hold(speak) as held:
            await held.call.wait_ended()
        assert without_silence(held.speaker.heard) == spoken
        figures = held.call.statistics()
        assert figures.playout.played_frames == figures.playout.received_frames == len(spoken) // 2
        assert held.call.ended.audio == "drained"

    async def test_burst_of_two_minutes_is_played_to_its_last_sample(
        self, hold, fast_clock, tmp_path
    ):
        fast_clock.rate = 40
        spoken = noise(120, 16_000)
        path = tmp_path / "heard.wav"
        async with hold(SpeakAgent(spoken, "burst", then="close"), speaker=WavOutput(path)) as held:
            ended = await held.call.wait_ended()
        assert (ended.by, ended.code, ended.audio) == ("agent", 1000, "drained")
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
            heard = file.readframes(file.getnframes())
        assert without_silence(heard) == spoken

    async def test_full_queue_makes_the_network_wait(self, hold, fast_clock, monkeypatch):
        fast_clock.rate = 20
        monkeypatch.setattr("sfclient._sound.PLAYOUT_SECONDS", 0.5)
        spoken = noise(10, 16_000)
        async with hold(SpeakAgent(spoken, "burst", then="close")) as held:
            await trio.sleep(1)
            playout = held.call.statistics().playout
            assert 4000 < playout.queued_frames <= 8000 + 320
            assert playout.received_frames < 3 * 16_000
            await held.call.wait_ended()
        assert without_silence(held.speaker.heard) == spoken

    async def test_flush_throws_away_what_came_and_plays_what_comes(self, hold, fast_clock):
        old, new = noise(5, 16_000, seed=1), noise(1, 16_000, seed=2)

        async def speak(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send_audio(old)
            await trio.sleep(2)
            await call.send_audio(new)

        async with hold(speak) as held:
            await trio.sleep(1)
            held.call.flush()
            at = len(held.speaker.heard)
            await trio.sleep(0.1)
            rest = np.frombuffer(held.speaker.heard[at:], np.int16)
            await held.call.wait_ended()
        # A block that was under way, then 5 ms of fade.
        assert np.any(rest[:80])
        assert not np.any(rest[80 + 160 :])
        assert held.speaker.heard.rstrip(b"\0").endswith(new.rstrip(b"\0"))
        playout = held.call.statistics().playout
        assert (
            playout.dropped_frames == playout.received_frames - playout.played_frames > 3 * 16_000
        )
        assert held.call.ended.audio == "drained"

    async def test_flush_while_the_network_waits_drops_that_too(
        self, hold, fast_clock, monkeypatch
    ):
        monkeypatch.setattr("sfclient._sound.PLAYOUT_SECONDS", 0.5)
        old, new = noise(3, 16_000, seed=1), noise(0.4, 16_000, seed=2)

        async def speak(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send(old)
            await trio.sleep(1.5)
            await call.send_audio(new)

        async with hold(speak) as held:
            await trio.sleep(0.7)
            held.call.flush()
            await held.call.wait_ended()
        assert held.speaker.heard.rstrip(b"\0").endswith(new.rstrip(b"\0"))
        assert held.call.statistics().playout.played_frames < 1.5 * 16_000

    async def test_half_a_sample_at_the_end_is_not_played(self, hold, fast_clock):
        async def speak(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send(b"\x01\x02\x03")

        async with hold(speak) as held:
            await held.call.wait_ended()
        assert without_silence(held.speaker.heard) == b"\x01\x02"
        assert held.call.statistics().playout.received_frames == 1


class TestEvents:
    async def test_events_of_a_call_in_order(self, hold, fast_clock):
        async def agent(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send('{"type": "weather", "is": "fine"}')
            await call.close(1000, "bye")

        async with hold(agent) as held:
            events = [event async for event in held.call]
        assert events == [
            Connecting(),
            Connected(),
            MessageReceived('{"type": "weather", "is": "fine"}', {"type": "weather", "is": "fine"}),
            Disconnected(held.call.ended),
        ]
        assert held.call.connected
        assert (held.call.ended.by, held.call.ended.code, held.call.ended.reason) == (
            "agent",
            1000,
            "bye",
        )
        assert [event async for event in held.call] == []

    @pytest.mark.parametrize(
        ("text", "fields"),
        [
            ("not json", None),
            ("[1, 2]", None),
            ('"status_agent_ready"', None),
            ("{}", {}),
            ('{"type": 7}', {"type": 7}),
            ('{"type": ["status_agent_ready"]}', {"type": ["status_agent_ready"]}),
            ("[" * 100_000, None),
            ("", None),
        ],
        ids=lambda value: str(value)[:30],
    )
    async def test_odd_texts_are_passed_on_and_survived(self, hold, fast_clock, text, fields):
        async def agent(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send(text)
            await call.send_audio(b"\x01\x00" * 100)

        async with hold(agent) as held:
            events = [event async for event in held.call]
        assert MessageReceived(text, fields) in events
        assert held.call.statistics().playout.played_frames == 100

    async def test_message_of_two_megabytes_is_survived(self, hold, fast_clock):
        fast_clock.rate = 40
        spoken = noise(62.5, 16_000)
        assert len(spoken) == 2_000_000

        async def agent(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send("x" * 2_000_000)
            await call.send(spoken)

        async with hold(agent) as held:
            await held.call.wait_ended()
        assert without_silence(held.speaker.heard) == spoken

    async def test_unread_events_are_counted(self, hold, fast_clock):
        async def agent(call: SimulatedCall) -> None:
            for _ in range(1100):
                await call.send("{}")

        async with hold(agent) as held:
            await held.call.wait_ended()
        assert held.call.statistics().dropped_events == 102  # Connecting and Connected came first


class TestEndings:
    async def test_leaving_the_block_hangs_up(self, hold, fast_clock):
        async with hold(listen) as held:
            await trio.sleep(0.5)
        assert (held.call.ended.by, held.call.ended.code) == ("caller", 1000)
        assert (await held.simulator.calls[0].wait_ended()).code == 1000

    async def test_hang_up_cuts_the_agent_short(self, hold, fast_clock):
        async with hold(SpeakAgent(noise(5, 16_000), "burst")) as held:
            await trio.sleep(1)
            held.call.hang_up()
            ended = await held.call.wait_ended()
        assert (ended.by, ended.audio) == ("caller", "cut")
        assert held.call.statistics().playout.dropped_frames > 3 * 16_000

    async def test_agent_closes_in_mid_sentence_and_is_heard_out(self, hold, fast_clock):
        spoken = noise(3, 16_000)

        async def agent(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send_audio(spoken)
            await call.close(4321, "enough")

        async with hold(agent) as held:
            ended = await held.call.wait_ended()
        assert (ended.by, ended.code, ended.reason, ended.audio) == (
            "agent",
            4321,
            "enough",
            "drained",
        )
        assert without_silence(held.speaker.heard) == spoken

    async def test_microphone_stops_when_the_agent_closes(self, hold, fast_clock):
        async with hold(SpeakAgent(noise(3, 16_000), "burst", then="close")) as held:
            await (await held.simulator.wait_call()).wait_ended()
            await trio.sleep(0.5)
            before = held.call.statistics().capture.sent_frames
            assert held.call.ended is None
            await held.call.wait_ended()
        assert held.call.statistics().capture.sent_frames == before

    async def test_short_word_is_heard_before_the_agent_closes(self, hold, fast_clock):
        word = noise(0.01, 16_000)  # less than the prefill

        async with hold(SpeakAgent(word, "burst", then="close")) as held:
            await held.call.wait_ended()
        assert without_silence(held.speaker.heard) == word

    @pytest.mark.parametrize("drop", ["reset", "abort"])
    async def test_lost_connection_is_a_network_error(self, hold, fast_clock, drop):
        async def agent(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send_audio(noise(60, 16_000))
            await trio.sleep(1)
            await getattr(call, drop)()

        with pytest.raises(NetworkError, match="lost"):
            async with hold(agent) as held:
                await trio.sleep_forever()
        ended = held.call.ended
        assert (ended.by, ended.audio) == ("network", "cut")
        assert "lost" in ended.reason

    async def test_close_with_an_error_is_a_service_error(self, hold, fast_clock):
        async def agent(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.close(1011, "out of words")

        with pytest.raises(ServiceError, match="1011 out of words") as caught:
            async with hold(agent) as held:
                await trio.sleep_forever()
        assert caught.value.status == 1011
        assert (held.call.ended.by, held.call.ended.code) == ("agent", 1011)

    async def test_too_large_a_message_is_the_agents_fault(self, hold, fast_clock):
        async def agent(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send(bytes((16 << 20) + 1))
            await trio.sleep_forever()

        with pytest.raises(ServiceError, match="1009"):
            async with hold(agent):
                await trio.sleep_forever()

    async def test_error_in_the_block_leaves_as_itself(self, hold, fast_clock):
        class OwnError(Exception):
            pass

        with pytest.raises(OwnError):
            async with hold(listen) as held:
                raise OwnError
        assert held.call.ended.by == "caller"
        assert (await held.simulator.calls[0].wait_ended()).code == 1000

    async def test_cancelled_call_closes_in_order(self, hold, fast_clock):
        with trio.move_on_after(1) as scope:
            async with hold(listen) as held:
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert held.call.ended.by == "caller"

    async def test_agent_who_pings_while_we_hang_up_does_no_harm(self, hold, fast_clock):
        async def agent(call: SimulatedCall) -> None:
            await call.client_ready()
            while True:
                await call.send_audio(bytes(640))
                with suppress(ConnectionClosed):
                    await call._websocket.ping()  # whatever the moment
                await trio.sleep(0.001)

        for _ in range(5):
            async with hold(agent) as held:
                await trio.sleep(0.3)
            assert held.call.ended.by == "caller"

    async def test_agent_who_does_not_read_for_a_while_makes_stale_speech_drop(self, fast_clock):
        """The sends stall, and what was recorded meanwhile is not worth sending."""
        async with open_stalled_peer(8) as url:
            async with open_call(url, Audio(MemoryInput(), MemoryOutput())) as call:
                with trio.fail_after(18):
                    while not call.statistics().capture.dropped_frames:  # noqa: ASYNC110
                        await trio.sleep(1)
            capture = call.statistics().capture
            assert capture.overruns
            assert capture.captured_frames == capture.sent_frames + capture.dropped_frames

    async def test_agent_who_never_reads_does_not_keep_us_from_hanging_up(self, fast_clock):
        async with open_stalled_peer(60) as url:
            async with open_call(url, Audio(MemoryInput(), MemoryOutput())) as call:
                await trio.sleep(8)
                with trio.fail_after(10):
                    call.hang_up()
                    await call.wait_ended()


async def test_time_in_which_the_program_was_kept_from_running_does_not_count_as_a_stall(
    autojump_clock, nursery
):
    call = Call(WidgetDialect(), [], Capture(48_000, 48_000, 960), Playout(16_000, 16_000), None)
    nursery.start_soon(call._tick)
    await trio.sleep(0.45)
    assert call._ticks == 4
    autojump_clock.jump(5)
    await trio.testing.wait_all_tasks_blocked()
    assert call._ticks == 4
    await trio.sleep(0.25)
    assert call._ticks == 6


@pytest.mark.parametrize("chunk_seconds", [0, -1, 0.001, 2, float("nan")])
async def test_chunk_length_out_of_range_is_refused(chunk_seconds):
    with pytest.raises(UsageError, match="chunk_seconds"):
        async with open_call("ws://127.0.0.1:1/", chunk_seconds=chunk_seconds):
            raise AssertionError


async def test_unknown_dialect_is_refused():
    with pytest.raises(UsageError, match="widget"):
        async with open_call("ws://127.0.0.1:1/", dialect="klingon"):
            raise AssertionError


async def test_echo_comes_back_as_it_was_said(hold):
    """The whole way round, in real time: 48 kHz out, decimated by the agent, 16 kHz back."""
    time = np.arange(48_000) / 48_000
    chirp = (12_000 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.int16)
    async with hold(EchoAgent(), say=chirp.tobytes()) as held:
        await trio.sleep(2.5)
    heard = np.frombuffer(held.speaker.heard, np.int16).astype(float)
    said = chirp[::3].astype(float)
    correlation = np.correlate(heard, said, "valid")
    at = int(correlation.argmax())
    match = heard[at : at + len(said)]
    assert correlation[at] / np.sqrt((said @ said) * (match @ match)) > 0.95
