"""What the caller says: it arrives bit for bit, in chunks at the pace of the clock, in both dialects."""

import numpy as np
import pytest
import trio

from sfclient import MemoryInput, UsageError, WavInput, open_call

from .conftest import exactly, listen, noise, without_silence, write_wav


def chunks_of(held) -> list[int]:
    """Bytes of each chunk that the agent got."""
    (call,) = held.simulator.calls
    return [message.length for message in call.messages if message.kind == "binary"]


@exactly
async def test_wav_arrives_bit_for_bit_from_its_first_sample(hold, fast_clock, tmp_path):
    spoken = noise(1.5, hold.capture_samplerate)
    path = write_wav(tmp_path / "spoken.wav", spoken, hold.capture_samplerate)
    async with hold(listen, microphone=WavInput(path)) as held:
        await trio.sleep(2.5)
    (call,) = held.simulator.calls
    assert call.received_audio.startswith(spoken)
    assert not any(call.received_audio[len(spoken) :])


@exactly
async def test_speech_whose_length_is_no_whole_chunk_arrives_bit_for_bit(hold, fast_clock):
    spoken = noise(0.5, hold.capture_samplerate)[: -2 * 123]
    async with hold(listen, say=spoken) as held:
        await trio.sleep(0.2)
        said_later = noise(0.3, hold.capture_samplerate, seed=2)
        await trio.sleep(0.7)
        held.microphone.say(said_later)
        await trio.sleep(0.6)
    (call,) = held.simulator.calls
    heard = call.received_audio
    assert heard.startswith(spoken)
    rest = heard[len(spoken) :]
    at = rest.index(said_later)
    assert not any(rest[:at])
    assert not any(rest[at + len(said_later) :])


class FitfulMicrophone(MemoryInput):
    """A device that runs well for 200 ms, then gives nothing for 100, then all of it at once."""

    def __init__(self, pcm: bytes, samplerate: int) -> None:
        super().__init__(pcm, samplerate=samplerate)
        self._blocks = 0
        self._held_back = 0

    def read(self, frames: int) -> np.ndarray:
        self._blocks += 1
        self._held_back += frames
        given = 0 if self._blocks % 30 > 20 else self._held_back
        self._held_back -= given
        return super().read(given)


@exactly
async def test_microphone_that_delivers_in_fits_loses_nothing(hold, fast_clock):
    spoken = noise(2, hold.capture_samplerate)
    async with hold(listen, microphone=FitfulMicrophone(spoken, hold.capture_samplerate)) as held:
        await trio.sleep(3)
    (call,) = held.simulator.calls
    assert without_silence(call.received_audio) == spoken
    # A steady clock does not wait for such a device; no other zeros are sent before the speech ends.
    capture = held.call.statistics().capture
    assert (capture.padded_frames > 0) == (hold.dialect == "ws-media")
    assert capture.overruns == 0
    speech = np.flatnonzero(np.frombuffer(call.received_audio, np.int16))
    assert speech[-1] + 1 - len(speech) <= capture.padded_frames


async def test_chunks_are_20_ms_and_paced_by_the_clock(hold):
    async with hold(listen) as held:
        await trio.sleep(2)
    chunks = chunks_of(held)
    assert set(chunks) == {hold.capture_samplerate // 50 * 2}
    assert 1.5 < len(chunks) * 0.02 < 2.5


async def test_chunk_length_can_be_chosen(hold, fast_clock):
    async with hold(listen, chunk_seconds=0.1) as held:
        await trio.sleep(1)
    assert set(chunks_of(held)) == {hold.capture_samplerate // 10 * 2}


@pytest.mark.parametrize("chunk_seconds", [0, -1, 0.001, 2, float("nan")])
async def test_chunk_length_out_of_range_is_refused(chunk_seconds):
    with pytest.raises(UsageError, match="chunk_seconds"):
        async with open_call("ws://127.0.0.1:1/", chunk_seconds=chunk_seconds):
            raise AssertionError


async def test_sent_frames_are_those_that_arrived(hold, fast_clock):
    async with hold(listen, say=noise(1, hold.capture_samplerate)) as held:
        await trio.sleep(1.5)
    (call,) = held.simulator.calls
    capture = held.call.statistics().capture
    assert capture.sent_frames + capture.padded_frames == len(call.received_audio) // 2
    assert capture.sent_frames > hold.capture_samplerate
    assert capture.overruns == 0


@exactly
async def test_mute_sends_zeros_at_the_same_pace(hold, fast_clock):
    async with hold(listen, say=noise(3, hold.capture_samplerate)) as held:
        await trio.sleep(0.5)
        held.call.mute()
        assert held.call.muted
        await trio.sleep(1)
        held.call.mute(False)
        assert not held.call.muted
        await trio.sleep(0.5)
    samples = np.frombuffer(held.simulator.calls[0].received_audio, np.int16)
    silent = np.flatnonzero(samples == 0)
    assert 0.7 < len(silent) / hold.capture_samplerate < 1.3
    assert np.all(np.diff(silent) == 1)  # one stretch
    assert 1.5 < len(samples) / hold.capture_samplerate < 2.5


@exactly
@pytest.mark.parametrize("samplerate", [8000, 44_100, 96_000])
async def test_other_rates_are_resampled(hold, fast_clock, tmp_path, samplerate):
    time = np.arange(2 * samplerate) / samplerate
    tone = (10_000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
    path = write_wav(tmp_path / "tone.wav", tone.tobytes(), samplerate)
    async with hold(listen, microphone=WavInput(path)) as held:
        await trio.sleep(2.5)
    rate = hold.capture_samplerate
    arrived = np.frombuffer(held.simulator.calls[0].received_audio, np.int16)
    arrived = arrived[rate // 10 : 19 * rate // 10]
    spectrum = np.abs(np.fft.rfft(arrived * np.hanning(len(arrived))))
    assert spectrum.argmax() == round(1000 * len(arrived) / rate)
    # A gap or a repetition would spread the tone.
    assert np.sum(spectrum[spectrum.argmax() - 5 : spectrum.argmax() + 6] ** 2) > (
        0.999 * np.sum(spectrum**2)
    )
    assert held.call.statistics().capture.sent_frames > 2 * rate
