"""A row of the time line: where on it a moment is, and the few shapes that all of it is made of."""

from collections.abc import Iterable
from dataclasses import dataclass

from sfclient.report._markup import Markup, tag
from sfclient.report._scale import Scale
from sfclient.report._story import Span

# Of a row, in pixels as wide as a column: a place for names, then the picture; from top to bottom the pins of
# events, the caller, response times, the agent, the queue, and the clock.
GUTTER, RIGHT = 62, 6
PINS, CALLER, RESPONSES, AGENT, QUEUE, CLOCK = 0, 24, 104, 124, 214, 262
LANE, QUEUE_LANE, HEIGHT = 80, 44, 280
LETTER = 6.2  # is about so wide


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
        """The spans that lie in it, each with its left and right; of those within a pixel the first."""
        found = []
        shown: dict[str, float] = {}  # of each kind, up to where
        for span in spans:
            left, right = self.x(span.began), self.x(span.ended)
            is_inside = span.ended >= self.began and span.began < self.ended
            if is_inside and right >= shown.get(span.kind, 0.0) + 1:
                shown[span.kind] = right
                found.append((span, left, right))
        return found


def rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return tag("rect", x=x, y=y, width=max(0.0, width), height=height, class_=kind)


def path(kind: str, way: str) -> Markup:
    return tag("path", d=way, class_=kind)


def label(text: str, x: float, y: float, anchor: str = "middle") -> Markup:
    return tag("text", text, x=x, y=y, text_anchor=anchor)
