"""A flag between threads, and an interrupt that hits who waits for it, wherever that is."""

import sys
import threading
from itertools import count
from typing import Any

import pytest

from sfclient._crossing import Flag


class Interrupts:
    """Raises KeyboardInterrupt, as Ctrl-C does, at one of the lines that run inside."""

    def __init__(self, line: int) -> None:
        self._left = line
        self.has_come = False

    def __enter__(self) -> "Interrupts":
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: Any, event: str, argument: object) -> Any:
        if event == "line" and frame.f_code is not self.__exit__.__code__:
            self._left -= 1
            if self._left < 0 and not self.has_come:
                self.has_come = True
                raise KeyboardInterrupt
        return self._trace


@pytest.mark.parametrize("is_set", [False, True])
def test_an_interrupt_at_any_line_of_a_wait_leaves_as_it_is(is_set: bool) -> None:
    for line in count():
        flag = Flag()
        if is_set:
            flag.set()
        with Interrupts(line) as interrupts:
            try:  # noqa: SIM105 -- it would be interrupted itself
                flag.wait(1e-4)
            except KeyboardInterrupt:
                pass
        flag.set()
        assert flag.wait()
        if not interrupts.has_come:
            break
    assert line > 3


def test_all_who_wait_are_woken_and_it_is_set_for_good() -> None:
    flag = Flag()
    threads = [threading.Thread(target=flag.wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    flag.set()
    flag.set()
    for thread in threads:
        thread.join()
    assert flag.wait()
