"""A call that was never held: its record, and its recording, with what is known about both."""

import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfclient._devices._wav import read_wav
from sfclient._devices._wav_writer import WavWriter

BEGINS_AT = 0.31
STALLED, STALL_SECONDS = 9.40, 1.62
LATE, LATE_SECONDS = 18.12, 0.34
SAMPLERATE = 48_000


def words() -> NDArray[np.int16]:
    _, samples = read_wav(Path(str(files("sfclient") / "_assets" / "hello.wav")))
    return np.repeat(samples, 2)  # to 48 kHz, well enough to be looked at


def made_record(turns: int = 4, turn_seconds: float = 9.0) -> dict[str, Any]:
    """A conversation in which the caller asks and the agent answers, with trouble in it."""
    events: list[dict[str, Any]] = []
    said: list[tuple[str, float, float]] = []

    def tell(at: float, kind: str, text: str, **fields: Any) -> None:
        events.append({"at": round(at, 4), "kind": kind, "text": text, **fields})

    tell(0.0, "Connecting", "Connecting to server")
    tell(0.52, "Connected", "Connected to call 5f0c")
    responses = []
    for turn in range(turns):
        began = 1.0 + turn * turn_seconds
        asked = began + 2.4 + 0.3 * (turn % 3)
        seconds = (0.62, 0.88, 1.31, 0.7)[turn % 4]
        answered = asked + seconds
        ended = answered + 3.2 + 0.4 * (turn % 2)
        for who, begin, end in (("caller", began, asked), ("agent", answered, ended)):
            tell(begin, "SpeechBegan", f"The {who} speaks", speaker=who, is_voice=None)
            tell(
                end,
                "SpeechEnded",
                f"The {who} spoke for {end - begin:.1f} s",
                speaker=who,
                seconds=end - begin,
            )
            said.append((who, begin, end))
        tell(answered, "Responded", f"The agent answered after {seconds:.2f} s", seconds=seconds)
        responses.append(seconds)
    end = turns * turn_seconds + 1.5
    if turns > 2:
        tell(STALLED, "NetworkStalled", "The network stands still: nothing comes", direction="down")
        tell(
            STALLED + STALL_SECONDS,
            "NetworkReturned",
            f"The network moves again (from the agent), after {STALL_SECONDS:.1f} s",
            direction="down",
            seconds=STALL_SECONDS,
        )
        tell(
            LATE,
            "SpeechLate",
            f"The agent's speech came {1000 * LATE_SECONDS:.0f} ms late",
            seconds=LATE_SECONDS,
        )
        tell(
            20.3,
            "MicrophoneSilent",
            "The microphone gives only zeros: is it muted? (pavucontrol, alsamixer)",
            remedy="is it muted? (pavucontrol, alsamixer)",
        )
        tell(
            22.9, "MicrophoneReturned", "The microphone gives sound again, after 2.6 s", seconds=2.6
        )
        tell(25.0, "EchoGated", "The agent's echo cannot be cancelled")
        tell(26.5, "EchoCancelled", "The agent's echo is cancelled again")
    ended = {"by": "caller", "code": 1000, "reason": "hung up", "audio": "drained"}
    tell(end, "Disconnected", "Disconnected from server (by caller, 1000: hung up)", ended=ended)
    events.sort(key=lambda event: event["at"])
    steps = np.arange(int((end - BEGINS_AT) / 0.1)) * 0.1 + BEGINS_AT
    speaks = np.any([(steps > b) & (steps < e) for who, b, e in said if who == "agent"], axis=0)
    stalled = (steps > STALLED) & (steps < STALLED + STALL_SECONDS)
    queued = np.where(speaks & ~stalled, 0.06 + 0.02 * np.sin(7 * steps), 0.0)
    after = (steps > STALLED + STALL_SECONDS) & (steps < STALLED + STALL_SECONDS + 4)
    queued += np.where(after, 0.9 * np.exp(-(steps - STALLED - STALL_SECONDS) / 1.2), 0)
    delay = [round(float(d), 3) if s else None for d, s in zip(queued + 0.01, speaks, strict=True)]
    return {
        "format": 1,
        "ended": ended,
        "versions": {
            "sfaudio": "0.1.0",
            "python": "3.11.2",
            "platform": "Linux-6.1-x86_64",
            "portaudio": "V19.6.0",
            "vector_level": "avx512",
            "trio": "0.30",
        },
        "times": {
            "began": "2026-11-26T09:41:12.301+00:00",
            "ready": BEGINS_AT,
            "connected": 0.52,
            "first_agent_audio": 3.9,
            "first_agent_sound": 4.02,
            "ended": end,
        },
        "agent_id": "agent-7",
        "call_id": "5f0c",
        "dialect": "ws-media",
        "conversation": {
            "turns": turns,
            "response_seconds": responses,
            "response_p50": 0.79,
            "response_p95": 1.31,
            "interruptions_by_caller": 0,
            "interruptions_by_agent": 1,
            "caller_share": 0.29,
            "agent_share": 0.38,
        },
        "network": {
            "late": 1,
            "longest_gap_seconds": LATE_SECONDS,
            "down_stalls": 1,
            "down_stalled_seconds": STALL_SECONDS,
            "up_stalls": 0,
        },
        "capture": {
            "captured_frames": 800000,
            "sent_frames": 799000,
            "in_hand_frames": 320,
            "queued_frames": 0,
            "dropped_frames": 680,
            "overruns": 0,
        },
        "playout": {
            "policy": "adaptive",
            "received_frames": 220000,
            "played_frames": 219000,
            "jitter_buffer_delay": 219000 * 0.084,
            "underruns": 2,
            "interruptions": 1,
            "interrupted_seconds": 1.5,
        },
        "dropped_events": 0,
        "devices": [
            {
                "streams": [{"callbacks": 3700, "output_underflows": 0}],
                "lost": 0,
                "abandoned": 0,
                "silent_seconds": 0.0,
                "requested_latency": None,
                "input_latency": 0.01,
                "output_latency": 0.0213,
            }
        ],
        "recording": {"written_frames": 0, "begins_at": BEGINS_AT, "lost_frames": 0},
        "events": events,
        "timeline": {
            "step_seconds": 0.1,
            "begins_at": BEGINS_AT,
            "queued_seconds": [round(float(q), 3) for q in queued],
            "delay_seconds": delay,
        },
    }


def write_recording(path: Path, record: dict[str, Any]) -> None:
    """Of this call; the record is told of it."""
    frames = round((record["times"]["ended"] - BEGINS_AT) * SAMPLERATE)
    sound = np.zeros((frames, 2), np.int16)
    speech = words()
    noise = np.random.default_rng(1).integers(-30, 31, frames, np.int16)
    sound[:, 0] = noise
    for event in record["events"]:
        if event["kind"] != "SpeechEnded":
            continue
        side = 0 if event["speaker"] == "caller" else 1
        begin = round((event["at"] - event["seconds"] - BEGINS_AT) * SAMPLERATE)
        part = speech[: round(event["seconds"] * SAMPLERATE)]
        if side:
            part = part[::-1] // 2
        sound[begin : begin + len(part), side] += part[: max(0, frames - begin)]
    stalled = round((STALLED - BEGINS_AT) * SAMPLERATE)
    if len(record["events"]) > 20:
        sound[stalled : stalled + round(STALL_SECONDS * SAMPLERATE), 1] = 0
    file = WavWriter(path, SAMPLERATE, channels=2)
    for begin in range(0, frames, 60 * SAMPLERATE):
        file.write(sound[begin : begin + 60 * SAMPLERATE].tobytes())
    file.close()
    record["recording"]["written_frames"] = frames
    record["recording"]["crc32"] = zlib.crc32(sound.tobytes())
