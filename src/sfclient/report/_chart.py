"""The time line as SVG: both sides' sound, what was queued, how long it waited, and what happened, row by row."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sfclient._errors import UsageError
from sfclient.report._markup import Markup, join, short, tag
from sfclient.report._record import Fields
from sfclient.report._scale import COLUMNS, Scale, clock
from sfclient.report._sound import Envelope, Sound, Values
from sfclient.report._story import Span, Story, Told

# Of a row, in pixels as wide as a column: a place for names, then the picture; from top to bottom the pins of
# events, the caller, response times, the agent, the queue, and the clock.
GUTTER, RIGHT = 62, 6
PINS, CALLER, RESPONSES, AGENT, QUEUE, CLOCK = 0, 24, 104, 124, 214, 262
LANE, QUEUE_LANE, HEIGHT = 80, 44, 280
PIN_RADIUS = 8.5
LEAST_PEAK = 0.05  # fills a lane: a call in which nobody speaks does not look loud
SHORTEST_STEP_SECONDS = 0.001  # of a line
MOST_POINTS = 500  # of a line, in a row
LETTER = 6.2  # is about so wide
NO_PIN = {"SpeechBegan", "SpeechEnded", "Responded", "Connecting"}
# What went wrong: a word for it, and the lanes that it touches, from the top of one to the bottom of the other.
TROUBLES = {
    "late": ("late", AGENT, QUEUE + QUEUE_LANE),
    "stalled": ("network", CALLER, QUEUE + QUEUE_LANE),
    "silent": ("mic silent", CALLER, CALLER + LANE),
    "lost": ("device", CALLER, QUEUE + QUEUE_LANE),
}
QUEUE_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0)


@dataclass(frozen=True, slots=True)
class Line:
    """A value at every step of the time line; NaN where there is none."""

    begins_at: float
    step: float
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Row:
    """A stretch of the call, and where it lies on the page."""

    scale: Scale
    index: int

    @property
    def began(self) -> float:
        return self.index * self.scale.row_seconds

    @property
    def ended(self) -> float:
        return min(self.began + self.scale.row_seconds, self.scale.seconds)

    def x(self, seconds: float) -> float:
        """Where a moment is, or the nearer edge."""
        inside = min(max(seconds, self.began), self.ended)
        return GUTTER + (inside - self.began) / self.scale.column_seconds

    def part(self, spans: Iterable[Span]) -> list[tuple[Span, float, float]]:
        """The spans that lie in it, each with its left and right."""
        return [
            (span, self.x(span.began), self.x(span.ended))
            for span in spans
            if span.ended >= self.began and span.began < self.ended
        ]


def draw(record: Fields, sound: Sound | None, story: Story, scale: Scale) -> Markup:
    """All rows, each a picture by itself."""
    queued = _line(record, "timeline.queued_seconds")
    delay = _line(record, "timeline.delay_seconds")
    values = [value for line in (queued, delay) for value in line.values if not math.isnan(value)]
    top = max(values, default=0.0)
    queue_top = next((step for step in QUEUE_STEPS if step >= top), math.ceil(top))
    rows = (Row(scale, index) for index in range(scale.rows))
    return join(_draw_row(row, sound, story, queued, delay, queue_top) for row in rows)


def _line(record: Fields, name: str) -> Line:
    step = record.seconds("timeline.step_seconds")
    if step is not None and step < SHORTEST_STEP_SECONDS:
        raise UsageError(f"the record: timeline.step_seconds is {step:g}, less than a millisecond")
    begins_at = record.seconds("timeline.begins_at") or 0.0
    return Line(begins_at, step or 1.0, record.series(name))


def _draw_row(
    row: Row, sound: Sound | None, story: Story, queued: Line, delay: Line, queue_top: float
) -> Markup:
    title = f"From {clock(row.began, 1)} to {clock(row.ended, 1)}"
    has_queue = bool(queued.values or delay.values)
    parts = [
        tag("title", title),
        _ground(row, has_queue, queue_top),
        *(_speech(part) for part in row.part(story.of("caller", "agent"))),
        *_waves(row, sound),
        *_queue(row, queued, delay, queue_top),
        *(_trouble(part) for part in row.part(story.of("late", "stalled", "silent", "lost"))),
        *_responses(row, story.of("response")),
        *_pins(row, story.events),
    ]
    box = f"0 0 {GUTTER + COLUMNS + RIGHT} {HEIGHT}"
    return tag("div", tag("svg", *parts, viewBox=box, role="img", aria_label=title), class_="row")


def _ground(row: Row, has_queue: bool, queue_top: float) -> Markup:
    """Names, lanes and the clock."""
    right = row.x(row.ended)
    parts = []
    for name, top in (("Caller", CALLER), ("Agent", AGENT)):
        parts.append(tag("text", name, x=0, y=top + LANE / 2 + 4, class_=f"name {name.lower()}"))
        parts.append(_rect("lane", GUTTER, top, right - GUTTER, LANE))
        parts.append(_path("middle", f"M{GUTTER} {short(top + LANE / 2)}H{short(right)}"))
    if has_queue:
        parts.append(tag("text", "Queue", x=0, y=QUEUE + QUEUE_LANE / 2 + 4, class_="name"))
        parts.append(_rect("lane", GUTTER, QUEUE, right - GUTTER, QUEUE_LANE))
        parts.append(_label(f"{queue_top:g} s", GUTTER - 5, QUEUE + 9, "end"))
        parts.append(_label("0", GUTTER - 5, QUEUE + QUEUE_LANE, "end"))
    step = row.scale.tick_seconds
    digits = 0 if step >= 1 else 1
    for number in range(math.ceil(row.began / step - 1e-9), math.floor(row.ended / step) + 1):
        x = row.x(number * step)
        parts.append(_path("tick", f"M{short(x)} {CALLER}V{CLOCK}"))
        if x < GUTTER + COLUMNS - 10 or row.scale.rows == 1:
            parts.append(
                _label(clock(number * step, digits), min(x, GUTTER + COLUMNS - 8), CLOCK + 14)
            )
    return join(parts)


def _speech(part: tuple[Span, float, float]) -> Markup:
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


def _waves(row: Row, sound: Sound | None) -> list[Markup]:
    if sound is None:
        return [_label("no recording", GUTTER + 8, CALLER + LANE / 2 + 4, "start")]
    peak = max(LEAST_PEAK, sound.peak)
    return [
        _wave(row, sound.caller, CALLER, "caller", peak),
        _wave(row, sound.agent, AGENT, "agent", peak),
    ]


def _wave(row: Row, side: Envelope, top: int, name: str, peak: float) -> Markup:
    """The samples of each column from the lowest to the highest, and around the middle their RMS."""
    middle, scale = top + LANE / 2, (LANE / 2 - 2) / peak
    ahead = side.first_column - row.index * COLUMNS
    begin, end = max(0, -ahead), min(len(side.rms), COLUMNS - ahead)
    left = GUTTER + ahead + begin

    def area(upper: Values, lower: Values) -> str:
        """Not thinner than half a pixel, so that silence is a line."""
        if end <= begin:
            return ""
        ups = [middle - max(0.25, value * scale) for value in upper[begin:end].tolist()]
        downs = [middle + max(0.25, value * scale) for value in lower[begin:end].tolist()]
        there = "".join(f"V{short(y)}h1" for y in ups)
        back = "".join(f"V{short(y)}h-1" for y in reversed(downs))
        return f"M{left} {short(middle)}{there}{back}Z"

    return join(
        (
            _path(f"wave {name}", area(side.highest, -side.lowest)),
            _path(f"rms {name}", area(side.rms, side.rms)),
        )
    )


def _queue(row: Row, queued: Line, delay: Line, top: float) -> list[Markup]:
    bottom = QUEUE + QUEUE_LANE

    def points(line: Line) -> list[tuple[float, float]]:
        """The highest of some, where there are too many to be drawn."""
        begin = max(0, math.ceil((row.began - line.begins_at) / line.step))
        end = min(len(line.values), math.floor((row.ended - line.begins_at) / line.step) + 1)
        many = max(1, math.ceil((end - begin) / MOST_POINTS))
        found = []
        for index in range(begin, end, many):
            values = [value for value in line.values[index : min(end, index + many)] if value >= 0]
            y = bottom - (QUEUE_LANE - 2) * max(values) / (top or 1) if values else math.nan
            found.append((row.x(line.begins_at + index * line.step), y))
        return found

    areas, lines = [], []
    for stretch in _stretches(points(queued)):
        there = "".join(f"L{short(x)} {short(y)}" for x, y in stretch)
        areas.append(f"M{short(stretch[0][0])} {bottom}{there}L{short(stretch[-1][0])} {bottom}Z")
    for stretch in _stretches(points(delay)):
        lines.append("M" + "L".join(f"{short(x)} {short(y)}" for x, y in stretch))
    return [_path("queued", "".join(areas)), _path("delay", "".join(lines))]


def _stretches(points: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Those between points that have no value."""
    found: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isnan(point[1]):
            found.append([])
        else:
            found[-1].append(point)
    return [stretch for stretch in found if stretch]


def _trouble(part: tuple[Span, float, float]) -> Markup:
    """With a word where there is room for it."""
    span, left, right = part
    name, top, bottom = TROUBLES[span.kind]
    width = max(1.0, right - left)
    seconds = f"{span.seconds:.2f} s"
    told = f"{span.text}, {clock(span.began)} to {clock(span.ended)} ({seconds})"
    parts = [tag("title", told), _rect("band", left, top, width, bottom - top)]
    parts.append(
        _path("edge", f"M{short(left)} {top}V{bottom}M{short(left + width)} {top}V{bottom}")
    )
    for word in (f"{name} {seconds}", seconds):
        if width > LETTER * len(word):
            parts.append(_label(word, left + width / 2, top + 13))
            break
    return tag("g", *parts, class_=f"trouble {span.kind}")


def _responses(row: Row, spans: Iterable[Span]) -> Iterator[Markup]:
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
        parts = [tag("title", told), _path("bracket", line)]
        if begin >= taken and begin + width <= GUTTER + COLUMNS:
            parts.append(_rect("under", begin, RESPONSES + 3, width, 14))
            parts.append(_label(word, begin + width / 2, y + 4))
            taken = begin + width
        yield tag("g", *parts, class_="response")


def _pins(row: Row, events: Iterable[Told]) -> list[Markup]:
    """The numbers of events, as the table has them; those too close to each other share one."""
    groups: list[list[Told]] = []
    inside = [
        event for event in events if event.kind not in NO_PIN and row.began <= event.at <= row.ended
    ]
    for event in sorted(inside, key=lambda event: event.at):
        if groups and row.x(event.at) - row.x(groups[-1][0].at) < 2.6 * PIN_RADIUS:
            groups[-1].append(event)
        else:
            groups.append([event])
    return [_pin(row, group) for group in groups]


def _pin(row: Row, group: list[Told]) -> Markup:
    x = row.x(group[0].at)
    first, last = group[0].number, group[-1].number
    word = f"{first}" if len(group) == 1 else f"{min(first, last)}…"
    half = max(PIN_RADIUS, LETTER * len(word) / 2 + 3)
    middle = min(max(x, GUTTER + half), GUTTER + COLUMNS - half)
    told = "; ".join(f"{event.number}: {event.text}, at {clock(event.at)}" for event in group[:10])
    return tag(
        "g",
        tag("title", told),
        _path("needle", f"M{short(x)} {2 * PIN_RADIUS}V{CLOCK}"),
        tag(
            "rect",
            x=middle - half,
            y=PINS,
            width=2 * half,
            height=2 * PIN_RADIUS,
            rx=PIN_RADIUS,
        ),
        _label(word, middle, PINS + PIN_RADIUS + 4),
        class_="pin",
    )


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return tag("rect", x=x, y=y, width=max(0.0, width), height=height, class_=kind)


def _path(kind: str, way: str) -> Markup:
    return tag("path", d=way, class_=kind)


def _label(text: str, x: float, y: float, anchor: str | None = None) -> Markup:
    return tag("text", text, x=x, y=y, text_anchor=anchor or "middle")
