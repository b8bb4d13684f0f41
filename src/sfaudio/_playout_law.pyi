from collections.abc import Callable
from typing import Any

class PlayoutLaw:
    def block(
        self,
        now: float,
        head: float,
        position: float,
        speech: bool,
        pause_left: Callable[[float], tuple[Any, ...]],
        period: float,
        can_stretch: bool,
        draining: bool = False,
    ) -> tuple[str, float]: ...
    def flushed(self) -> None: ...
    def operated(self, assumed: float, really: float) -> None: ...
    @property
    def target(self) -> float: ...
    def state(self) -> dict[str, Any]: ...
