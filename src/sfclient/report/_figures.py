"""The figures of a call, each with a sentence that says what it means."""

from typing import NamedTuple

from sfclient.report._record import Fields


class Figure(NamedTuple):
    """A field of the record."""

    name: str
    unit: str
    """``"s"``, ``"frames"``, ``"%"`` (of a share from 0 to 1), ``"times"``, or ``""``."""
    means: str


CONVERSATION = (
    Figure("turns", "times", "The caller spoke, and the agent answered."),
    Figure(
        "response_p50",
        "s",
        "From the end of what the caller said until the answer was heard: half are shorter.",
    ),
    Figure("response_p95", "s", "The same: 95 of 100 are shorter."),
    Figure("interruptions_by_caller", "times", "The caller began to speak while the agent did."),
    Figure("interruptions_by_agent", "times", "The agent began to speak while the caller did."),
    Figure("caller_share", "%", "Of the call, in which the caller spoke."),
    Figure("agent_share", "%", "Of the call, in which the agent was heard to speak."),
)
NETWORK = (
    Figure("late", "times", "The agent's speech came late, in the midst of it."),
    Figure(
        "longest_gap_seconds",
        "s",
        "The longest time in which nothing arrived, in the midst of speech.",
    ),
    Figure("down_stalls", "times", "Not a byte came, though the far side was asked for one."),
    Figure("down_stalled_seconds", "s", "How long that was, all together."),
    Figure("up_stalls", "times", "What we sent did not leave."),
    Figure("up_stalled_seconds", "s", "How long that was, all together."),
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
    Figure("underruns", "times", "Playing ran empty."),
    Figure(
        "underruns_in_speech",
        "times",
        "Of these: gaps in speech, since what was missing came late.",
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
RECORDING = (
    Figure("written_frames", "frames", "In the file, of both sides together."),
    Figure(
        "lost_frames", "frames", "That the file did not take: a full disk, or one that stalled."
    ),
    Figure("begins_at", "s", "When the recording begins, since the call was asked for."),
)
GROUPS = {
    "conversation": ("Conversation", CONVERSATION),
    "network": ("Network", NETWORK),
    "playout": ("The agent's speech", PLAYOUT),
    "capture": ("The caller's speech", CAPTURE),
    "recording": ("The recording", RECORDING),
}
TIMES = (
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
