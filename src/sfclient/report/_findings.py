"""What is worth knowing about a call first: how it ended, and what went wrong in it, in a sentence each."""

from sfclient.report._record import Fields
from sfclient.report._scale import clock
from sfclient.report._story import Kind, Story

TROUBLES: dict[Kind, str] = {
    "silent": "The microphone gave nothing but zeros",
    "lost": "The sound device was gone",
    "gated": "The agent's echo could not be cancelled, so that the caller was not heard beside him",
    "stalled": "The network stood still",
    "late": "In the midst of the agent's speech nothing arrived",
}
COUNTED = (
    ("playout.interruptions", "Times that the agent's speech broke off for 150 ms or more"),
    ("capture.overruns", "Times that what the caller said was too old to be sent, and dropped"),
    (
        "sound.caller.clipped",
        "Samples of the caller at the end of the range, which sound distorted",
    ),
    ("recording.lost_frames", "Frames of the recording that could not be written"),
    ("dropped_events", "Events that nobody read in time, and that are missing here"),
)
IN_ORDER = (
    1000,
    1001,
    1005,
)  # close codes of RFC 6455, 7.4.1; those of applications are beside them


def how_it_ended(record: Fields) -> str:
    """A sentence, or two."""
    ended = record.inside("ended")
    if ended is None:
        return "The call had not ended when this was written."
    by, reason, code = ended.text("by"), ended.text("reason"), ended.number("code")
    told = f"Ended by the {by or 'unknown'}"
    told += "" if code is None else f" ({code:.0f})"
    told += f": {reason.rstrip('.')}." if reason else "."
    if ended.text("audio") == "cut":
        told += " Some of what the agent sent was not played."
    return told


def _is_in_order(record: Fields) -> bool:
    """Whether it ended as calls should."""
    by, code = record.text("ended.by"), record.number("ended.code")
    if by == "caller":
        return code in (None, 1000)
    return by == "agent" and code is not None and (code in IN_ORDER or 3000 <= code < 5000)


def find(record: Fields, story: Story) -> list[str]:
    """What went wrong; nothing if nothing did."""
    found = []
    if not _is_in_order(record):
        found.append("The call did not end in order: see above.")
    if record.inside("times") and record.seconds("times.first_agent_sound") is None:
        found.append("The agent was never heard.")
    for kind, what in TROUBLES.items():
        spans = story.of(kind)
        if not spans:
            continue
        longest = max(spans, key=lambda span: span.seconds)
        told = f"{longest.seconds:.2f} s, at {clock(longest.began)}"
        if len(spans) > 1:
            total = sum(span.seconds for span in spans)
            told = f"{total:.2f} s in all, {len(spans)} times; the longest for {told}"
        found.append(f"{what} for {told}.")
    for event in story.events:
        if event.kind in ("MicrophoneSilent", "RecordingFailed", "ExpectationFailed"):
            told = f"{event.text.rstrip('.')}."
            if told not in found:
                found.append(told)
    found += [f"{what}: {number:.0f}." for name, what in COUNTED if (number := record.number(name))]
    return found
