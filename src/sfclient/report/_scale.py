"""The time line of a call, cut into rows as a page has them."""

import math
from dataclasses import dataclass

from sfclient.report._record import Fields

COLUMNS = 1000  # of a row: of its picture, a pixel each
ROW_SECONDS = 40.0  # at most, as long as that gives no more rows than these: so the page has an end
MOST_ROWS = 12
SHORTEST_SECONDS = 1.0
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
MOST_TICKS = 12


@dataclass(frozen=True, slots=True)
class Scale:
    """From 0, when `open_call` was entered or this attempt began, to the end of the call."""

    seconds: float
    rows: int
    row_seconds: float

    @property
    def column_seconds(self) -> float:
        return self.row_seconds / COLUMNS

    @property
    def tick_seconds(self) -> float:
        return next(
            (tick for tick in TICKS if self.row_seconds / tick <= MOST_TICKS),
            self.row_seconds / MOST_TICKS,
        )


def scale_of(record: Fields, sound_ends: float = 0.0) -> Scale:
    """That of a call, whose recording may end later than its clock."""
    told = [event.time("at") or 0.0 for event in record.objects("events")]
    seconds = max(SHORTEST_SECONDS, sound_ends, record.time("times.ended") or 0.0, *told, 0.0)
    rows = min(MOST_ROWS, math.ceil(seconds / ROW_SECONDS))
    return Scale(seconds, rows, seconds / rows if rows == 1 else math.ceil(seconds / rows))


def clock(seconds: float, digits: int = 2) -> str:
    """As people read it: ``1:04.37``, ``1:02:03.00``."""
    ticks = round(seconds * 10**digits)
    whole, rest = divmod(ticks, 10**digits)
    hours, minutes = divmod(whole // 60, 60)
    told = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    told += f":{whole % 60:02}"
    return told + (f".{rest:0{digits}}" if digits else "")
