"""What the events of a call tell together: who spoke, who answered when, and what was wrong, from when until when."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from sfclient.report._record import Fields
from sfclient.report._scale import Scale

Kind = Literal["caller", "agent", "response", "late", "stalled", "silent", "lost", "gated"]


class Pair(NamedTuple):
    """Events of which one begins something, and the other ends it."""

    begins: str
    ends: str
    means: dict[str, tuple[Kind, str]]
    """By whose it is, or in which direction; an empty text where there is no such thing."""


PAIRS = (
    Pair(
        "SpeechBegan",
        "SpeechEnded",
        {"caller": ("caller", "the caller spoke"), "agent": ("agent", "the agent spoke")},
    ),
    Pair(
        "NetworkStalled",
        "NetworkReturned",
        {
            "down": ("stalled", "the network stood still: nothing came"),
            "up": ("stalled", "the network stood still: nothing left"),
        },
    ),
    Pair(
        "MicrophoneSilent",
        "MicrophoneReturned",
        {"": ("silent", "the microphone gave only zeros")},
    ),
    Pair("DeviceLost", "DeviceReturned", {"": ("lost", "the sound device was gone")}),
    Pair(
        "EchoGated",
        "EchoCancelled",
        {"": ("gated", "the agent's echo could not be cancelled: the caller waited for him")},
    ),
)
BEGINS = {pair.begins: pair for pair in PAIRS}
ENDS = {pair.ends: pair for pair in PAIRS}


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
    """An event: its number on the page, when it was, and what it says."""

    number: int
    at: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """All events by their time, and the spans that they tell of."""

    events: tuple[Told, ...]
    spans: tuple[Span, ...]

    def of(self, *kinds: Kind) -> list[Span]:
        """The spans of these kinds."""
        return [span for span in self.spans if span.kind in kinds]


def read_story(record: Fields, scale: Scale) -> Story:
    """What has begun and does not end lasts until the call does. Raises `UsageError` for events that cannot be."""
    told: list[Told] = []
    spans: list[Span] = []
    lasting: dict[tuple[str, str], float] = {}

    def end(pair: Pair, whose: str, at: float) -> None:
        began = lasting.pop((pair.begins, whose), None)
        if began is not None and whose in pair.means:
            kind, text = pair.means[whose]
            spans.append(Span(kind, began, at, text))

    # Some are told when they are certain, which is later than others that came after them.
    events = [(event.time("at") or 0.0, event) for event in record.objects("events")]
    for number, (at, event) in enumerate(sorted(events, key=lambda pair: pair[0]), 1):
        name, seconds = event.text("kind"), event.seconds("seconds") or 0.0
        whose = event.text("speaker") or event.text("direction")
        told.append(Told(number, at, name, event.text("text") or name))
        if name in BEGINS:
            lasting.setdefault((name, whose), at)
        elif name in ENDS:
            end(ENDS[name], whose, at)
        elif name == "Responded":
            spans.append(Span("response", max(0.0, at - seconds), at, "until the agent answered"))
        elif name == "SpeechLate":
            spans.append(Span("late", at, at + seconds, "nothing arrived, in the midst of speech"))
    for name, whose in list(lasting):
        end(BEGINS[name], whose, scale.seconds)
    return Story(tuple(told), tuple(spans))
