"""What the events of a call tell together: spans of speech and of trouble, and who answered when."""

from dataclasses import dataclass
from typing import Literal

from sfclient.report._record import Fields
from sfclient.report._scale import Scale

Kind = Literal["caller", "agent", "response", "late", "stalled", "silent", "lost"]


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when something was so."""

    kind: Kind
    began: float
    ended: float
    text: str

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Told:
    """An event: its number in the call, when it was, and what it says."""

    number: int
    at: float
    kind: str
    text: str


# Events that tell of a span when it is over, and begin it `seconds` before; or that begin at `at`, and last so long.
ENDS: dict[str, tuple[Kind, str]] = {"Responded": ("response", "until the agent answered")}
LASTS: dict[str, tuple[Kind, str]] = {
    "SpeechLate": ("late", "nothing arrived, in the midst of speech")
}
# Those that go on until another event comes, or the call ends.
OPEN: dict[str, tuple[str, Kind, str]] = {
    "NetworkStalled": ("NetworkReturned", "stalled", "the network stood still"),
    "MicrophoneSilent": ("MicrophoneReturned", "silent", "the microphone gave only zeros"),
    "DeviceLost": ("DeviceReturned", "lost", "the sound device was gone"),
}
ENDERS = {ender: beginner for beginner, (ender, _, _) in OPEN.items()}


@dataclass(frozen=True, slots=True)
class Story:
    """All events, in their order, and the spans that they tell of."""

    events: tuple[Told, ...]
    spans: tuple[Span, ...]

    def of(self, *kinds: Kind) -> list[Span]:
        """The spans of these kinds."""
        return [span for span in self.spans if span.kind in kinds]


def read_story(record: Fields, scale: Scale) -> Story:
    """Raises `UsageError` for events that cannot be."""
    events: list[Told] = []
    spans: list[Span] = []
    begun: dict[tuple[str, str], float] = {}

    def close(beginner: str, whose: str, at: float) -> None:
        began = begun.pop((beginner, whose), None)
        if began is None:
            return
        if beginner == "SpeechBegan":
            if whose in ("caller", "agent"):
                spans.append(
                    Span(
                        "caller" if whose == "caller" else "agent", began, at, f"the {whose} spoke"
                    )
                )
        else:
            _, kind, text = OPEN[beginner]
            spans.append(Span(kind, began, max(began, at), text + DIRECTIONS.get(whose, "")))

    for index, event in enumerate(record.objects("events")):
        at = event.seconds("at") or 0.0
        seconds = event.seconds("seconds") or 0.0
        name = event.text("kind")
        whose = event.text("speaker") or event.text("direction")
        events.append(Told(index + 1, at, name, event.text("text") or name))
        if name == "SpeechBegan" or name in OPEN:
            begun.setdefault((name, whose), at)
        elif name == "SpeechEnded":
            close("SpeechBegan", whose, at)
        elif name in ENDERS:
            close(ENDERS[name], whose, at)
        elif name in ENDS:
            kind, text = ENDS[name]
            spans.append(Span(kind, max(0.0, at - seconds), at, text))
        elif name in LASTS:
            kind, text = LASTS[name]
            spans.append(Span(kind, at, at + seconds, text))
    for beginner, whose in list(begun):
        close(beginner, whose, scale.seconds)
    return Story(tuple(events), tuple(spans))


DIRECTIONS = {"down": ": nothing came", "up": ": nothing left"}
