"""The figures of a call, each with a sentence that says what it means."""

import math
from typing import NamedTuple

from sfclient.report._record import Fields


class Figure(NamedTuple):
    """A field of the record."""

    name: str
    unit: str
    """``"s"``, ``"%"`` (of a share from 0 to 1), ``"dB"``, ``"ppm"``, ``"dBFS"`` (of a level, full scale 1.0); any
    other is a count."""
    means: str


CONVERSATION = (
    Figure("turns", "times", "One began to speak after, or over, the other."),
    Figure(
        "response_p50",
        "s",
        "From the end of what the caller said to the answer as it was heard: half are less.",
    ),
    Figure("response_p95", "s", "The same: 95 of 100 are shorter."),
    Figure("interruptions_by_caller", "times", "The caller began to speak while the agent did."),
    Figure("interruptions_by_agent", "times", "The agent began to speak while the caller did."),
    Figure("caller_seconds", "s", "The caller spoke."),
    Figure("agent_seconds", "s", "The agent was heard to speak."),
    Figure("caller_share", "%", "The same, of the time in which sound flowed."),
    Figure("agent_share", "%", "The same; both may speak at once."),
)
NETWORK = (
    Figure("late", "times", "The agent's speech came late, by 150 ms or more, in the midst of it."),
    Figure("late_seconds", "s", "Nothing came then, all together."),
    Figure("longest_gap_seconds", "s", "The longest of these."),
    Figure("down_stalls", "times", "Nothing came, though the far side was asked for an answer."),
    Figure("down_stalled_seconds", "s", "How long that was, all together."),
    Figure("up_stalls", "times", "What we sent did not leave."),
    Figure("up_stalled_seconds", "s", "How long that was, all together."),
    Figure("received_bytes", "bytes", "Of the websocket."),
    Figure("sent_bytes", "bytes", "Of the websocket."),
    Figure("waiting_bytes", "bytes", "Of these: the far side has not said that they came."),
    Figure("queued_seconds", "s", "Of the agent's speech, at the end."),
    Figure("delay_seconds", "s", "What was heard last had waited so long since it came."),
)
SOUND = (
    Figure("frames", "frames", "Heard, at the rate of the device."),
    Figure("peak", "dBFS", "The loudest sample: 0 dBFS is the end of the range."),
    Figure("rms", "dBFS", "The mean power, pauses included."),
    Figure("clipped", "samples", "At either end of the range, which sounds distorted."),
    Figure("zero_frames", "frames", "Exact zeros in a row, at the end: no room is so silent."),
    Figure("longest_zero_frames", "frames", "The most of them in a row."),
    Figure(
        "speech_seconds",
        "s",
        "Loud enough to be speech, pauses of less than half a second included.",
    ),
    Figure(
        "lost_segments",
        "times",
        "The beginning or the end of speech was noticed too late to be told.",
    ),
)
MICROPHONE = (
    Figure("silences", "times", "It gave nothing but zeros for a second or more."),
    Figure("silent_seconds", "s", "How long that was, all together."),
)
PLAYOUT = (
    Figure("received_frames", "frames", "Of the agent's speech, that came."),
    Figure("played_frames", "frames", "Of these: played, at whatever speed."),
    Figure("in_hand_frames", "frames", "Of these: there was no room in the queue for them yet."),
    Figure("queued_frames", "frames", "Of these: still queued at the end."),
    Figure(
        "dropped_frames",
        "frames",
        "Of these: thrown away by an interruption or a hang-up, or cut out of pauses.",
    ),
    Figure("removed_frames", "frames", "What playing faster has saved."),
    Figure("inserted_frames", "frames", "What playing slower, and lengthening pauses, has added."),
    Figure("cut_frames", "frames", "Of those dropped: cut out of pauses."),
    Figure("held_frames", "frames", "Of those inserted: pauses lengthened."),
    Figure("padded_frames", "frames", "Silence, played where nothing was queued."),
    Figure("concealed_frames", "frames", "Played in the place of missing speech."),
    Figure("silent_concealed_frames", "frames", "Of these: silence."),
    Figure(
        "concealment_events", "times", "Playing ran empty in speech, or at the end of a sentence."
    ),
    Figure("output_frames", "frames", "All that was played, whatever it was."),
    Figure(
        "underruns",
        "times",
        "Playing ran empty in the midst of speech, since what was missing came late.",
    ),
    Figure("interruptions", "times", "Of these: of 150 ms or more."),
    Figure("interrupted_seconds", "s", "How long these were, all together."),
    Figure("jitter_buffer_delay", "s", "For which frames were queued, all added up."),
    Figure("jitter_buffer_target_delay", "s", "For which they should have been, all added up."),
    Figure("target_seconds", "s", "What should have been queued, at the end."),
    Figure("first_sound_seconds", "s", "From when the first frame was queued until it was played."),
    Figure("flush_seconds", "s", "From the last interruption until silence."),
)
CAPTURE = (
    Figure("captured_frames", "frames", "Of the caller's speech, at the rate of the wire."),
    Figure("sent_frames", "frames", "Of these: sent."),
    Figure(
        "in_hand_frames", "frames", "Of these: in the message that was leaving when the call ended."
    ),
    Figure("queued_frames", "frames", "Of these: waiting to be sent."),
    Figure("dropped_frames", "frames", "Of these: too old to be sent, or left over at the end."),
    Figure("ahead_frames", "frames", "What resampling has rounded up, less what it holds back."),
    Figure(
        "padded_frames",
        "frames",
        "Zeros sent beside them, where a steady clock was due and the microphone late.",
    ),
    Figure("overruns", "times", "Frames were dropped as too old."),
)
ECHO = (
    Figure("delay_seconds", "s", "From when something is played until the microphone hears it."),
    Figure("erle_db", "dB", "By how much the echo was weakened, while only the agent spoke."),
    Figure("added_seconds", "s", "By which the caller's speech was sent later for it."),
    Figure("gated_seconds", "s", "Silence was sent in the place of the microphone."),
    Figure("leaks", "times", "The echo could not be cancelled, and silence had to be sent."),
    Figure("path_changes", "times", "The way from loudspeaker to microphone became another."),
)
REFERENCE = (
    Figure("written_frames", "frames", "Played, at the rate of the device."),
    Figure("read_frames", "frames", "Of these: looked for in what was recorded."),
    Figure("queued_frames", "frames", "Of these: waiting for what was recorded with them."),
    Figure("dropped_frames", "frames", "Of these: too old to be looked for."),
    Figure("padded_frames", "frames", "Recorded while it is not known what was played."),
    Figure("changes", "times", "The devices changed."),
    Figure("drift_ppm", "ppm", "By which the loudspeaker's clock is faster than the microphone's."),
    Figure("spread_seconds", "s", "By which the two may be misaligned."),
    Figure("steps", "times", "One of two devices lost frames."),
)
RECORDING = (
    Figure("written_frames", "frames", "In the file, of both sides together."),
    Figure("caller_frames", "frames", "Waiting for the agent's side, to be written with it."),
    Figure("agent_frames", "frames", "Waiting for the caller's side, to be written with it."),
    Figure("leaving_frames", "frames", "On their way to the file."),
    Figure(
        "lost_frames", "frames", "That the file did not take: a full disk, or one that stalled."
    ),
    Figure(
        "begins_at",
        "s",
        "The first frame of the caller was recorded, since the call was asked for.",
    ),
    Figure("agent_begins_at", "s", "The first frame beside it was heard."),
)
GROUPS = {
    "conversation": ("Conversation", CONVERSATION),
    "network": ("Network", NETWORK),
    "playout": ("The agent's speech, from the network to the ear", PLAYOUT),
    "capture": ("The caller's speech, from the microphone to the network", CAPTURE),
    "echo": ("The agent's echo in what the microphone hears", ECHO),
    "echo.reference": ("What was played, beside what was recorded", REFERENCE),
    "sound.caller": ("The sound of the caller", SOUND),
    "sound.agent": ("The sound of the agent", SOUND),
    "sound.microphone": ("The microphone", MICROPHONE),
    "recording": ("The recording", RECORDING),
}
TIMES = (
    Figure("dialled", "s", "This attempt began; before the others, if the call was redialled."),
    Figure("ready", "s", "Devices and connection were open, and sound flowed."),
    Figure("connected", "s", "The agent said that it could hear the caller."),
    Figure("first_agent_audio", "s", "The first of the agent's speech came."),
    Figure("first_agent_sound", "s", "The first of it was heard."),
    Figure("ended", "s", "The call was over."),
)


def shown(value: float, unit: str) -> str:
    """A figure as people read it."""
    match unit:
        case "s":
            return f"{value:.2f} s"
        case "%":
            return f"{100 * value:.0f} %"
        case "dB" | "ppm":
            return f"{value:.0f} {unit}"
        case "dBFS":
            return f"{20 * math.log10(value):.1f} dBFS" if value > 0 else "silent"
        case _:
            return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def told(record: Fields, group: str, figures: tuple[Figure, ...]) -> list[tuple[str, str, str]]:
    """Of those that are there: the name, the value, what it means."""
    fields = record.inside(group)
    if fields is None:
        return []
    return [
        (figure.name.replace("_", " "), shown(value, figure.unit), figure.means)
        for figure in figures
        if (value := fields.number(figure.name)) is not None
    ]
