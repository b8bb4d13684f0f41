"""What is marked on the time line: who spoke, who answered after how long, what went wrong, and all other events."""

from collections.abc import Iterable, Iterator

from sfclient.report._markup import Markup, short, tag
from sfclient.report._row import (
    AGENT,
    CALLER,
    CLOCK,
    GUTTER,
    LANE,
    LETTER,
    PINS,
    QUEUE,
    QUEUE_LANE,
    RESPONSES,
    Row,
    label,
    path,
    rect,
)
from sfclient.report._scale import COLUMNS, clock
from sfclient.report._story import Span, Told

PIN_RADIUS = 8.5
NO_PIN = {"SpeechBegan", "SpeechEnded", "Responded", "Connecting"}
# What went wrong: a word for it, and the lanes that it touches, from the top of one to the bottom of the other.
TROUBLES = {
    "late": ("late", AGENT, QUEUE + QUEUE_LANE),
    "stalled": ("network", CALLER, QUEUE + QUEUE_LANE),
    "silent": ("mic silent", CALLER, CALLER + LANE),
    "lost": ("device", CALLER, QUEUE + QUEUE_LANE),
    "gated": ("echo", CALLER, CALLER + LANE),
}


def speech(part: tuple[Span, float, float]) -> Markup:
    span, left, right = part
    told = f"{span.text}, {clock(span.began)} to {clock(span.ended)}"
    return tag(
        "rect",
        tag("title", told),
        x=left,
        y=CALLER if span.kind == "caller" else AGENT,
        width=max(1.0, right - left),
        height=LANE,
        rx=3,
        class_=f"speech {span.kind}",
    )


def trouble(part: tuple[Span, float, float]) -> Markup:
    """With a word where there is room for it."""
    span, left, right = part
    name, top, bottom = TROUBLES[span.kind]
    width = max(1.0, right - left)
    seconds = f"{span.seconds:.2f} s"
    told = f"{span.text}, {clock(span.began)} to {clock(span.ended)} ({seconds})"
    parts = [tag("title", told), rect("band", left, top, width, bottom - top)]
    parts.append(
        path("edge", f"M{short(left)} {top}V{bottom}M{short(left + width)} {top}V{bottom}")
    )
    for word in (f"{name} {seconds}", seconds):
        if width > LETTER * len(word):
            parts.append(label(word, left + width / 2, top + 13))
            break
    return tag("g", *parts, class_=f"trouble {span.kind}")


def responses(row: Row, spans: Iterable[Span]) -> Iterator[Markup]:
    """A bracket from the end of what the caller said to the answer, with a word where there is room."""
    y = RESPONSES + 10
    taken = float(GUTTER)
    for span, left, right in row.part(spans):
        word = f"{span.seconds:.2f} s"
        width = LETTER * len(word) + 8
        # Beside the bracket where it is too short for the word.
        begin = (left + right - width) / 2 if right - left > width + 12 else right + 2
        told = f"{span.text}: {word}, {clock(span.began)} to {clock(span.ended)}"
        line = f"M{short(left)} {RESPONSES + 4}V{y}H{short(right)}V{AGENT - 3}"
        parts = [tag("title", told), path("bracket", line)]
        if begin >= taken and begin + width <= GUTTER + COLUMNS:
            parts.append(rect("under", begin, RESPONSES + 3, width, 14))
            parts.append(label(word, begin + width / 2, y + 4))
            taken = begin + width
        yield tag("g", *parts, class_="response")


def pins(row: Row, events: Iterable[Told]) -> list[Markup]:
    """The numbers of events, as the table has them; those too close to each other share one."""
    groups: list[list[Told]] = []
    inside = [
        event for event in events if event.kind not in NO_PIN and row.began <= event.at <= row.ended
    ]
    for event in inside:
        if groups and row.x(event.at) - row.x(groups[-1][0].at) < 2.6 * PIN_RADIUS:
            groups[-1].append(event)
        else:
            groups.append([event])
    return [_pin(row, group) for group in groups]


def _pin(row: Row, group: list[Told]) -> Markup:
    x = row.x(group[0].at)
    word = f"{group[0].number}" + ("…" if len(group) > 1 else "")
    half = max(PIN_RADIUS, LETTER * len(word) / 2 + 3)
    middle = min(max(x, GUTTER + half), GUTTER + COLUMNS - half)
    told = "; ".join(f"{event.number}: {event.text}, at {clock(event.at)}" for event in group[:10])
    return tag(
        "g",
        tag("title", told),
        path("needle", f"M{short(x)} {2 * PIN_RADIUS}V{CLOCK}"),
        tag(
            "rect",
            x=middle - half,
            y=PINS,
            width=2 * half,
            height=2 * PIN_RADIUS,
            rx=PIN_RADIUS,
        ),
        label(word, middle, PINS + PIN_RADIUS + 4),
        class_="pin",
    )
