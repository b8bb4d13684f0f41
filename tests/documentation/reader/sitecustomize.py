"""Comes first in every Python that a page's commands start: the service is a simulator, and time may run faster.

Nothing is imported for that: each module is changed when the program imports it.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

URL, RATE = os.environ.get("DOCUMENTATION_SERVICE"), float(os.environ.get("DOCUMENTATION_RATE", 1))


def lead(module: ModuleType) -> None:
    """To the simulator, whoever asks a service."""
    order: Any = getattr(module, "WidgetOrder", None) or module.WsMediaOrder
    order.base_urls = dict.fromkeys(order.base_urls, URL)


def hurry(trio: ModuleType) -> None:
    sys.path.append(str(Path(__file__).parents[2]))
    from unhurried import UnhurriedClock

    sys.path.pop()
    run = trio.run

    def run_fast(*args: Any, **kwargs: Any) -> Any:
        return run(*args, **{"clock": UnhurriedClock(RATE), **kwargs})

    trio.run = run_fast  # type: ignore[attr-defined]


def come_first(assertion: ModuleType) -> None:
    """Before pytest, which imports the modules of its plugins itself, sfclient's among them."""
    install: Callable[..., Any] = assertion.install_importhook

    def install_behind_us(config: Any) -> Any:
        hook = install(config)
        sys.meta_path.remove(FINDER)
        sys.meta_path.insert(0, FINDER)
        return hook

    assertion.install_importhook = install_behind_us  # type: ignore[attr-defined]


CHANGES: dict[str, Callable[[ModuleType], None]] = {"_pytest.assertion": come_first}
if URL:
    CHANGES["sfclient._dialects._widget"] = CHANGES["sfclient._dialects._ws_media_http"] = lead
if RATE != 1:
    CHANGES["trio"] = hurry


class Changed(Loader):
    """Around that of the module, which may be one for many: pytest's is."""

    def __init__(self, loader: Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)


class Changes(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        change = CHANGES.pop(name, None)
        spec = importlib.util.find_spec(name) if change else None
        if not (spec and spec.loader and change):
            return None
        spec.loader = Changed(spec.loader, change)
        return spec


FINDER = Changes()
sys.meta_path.insert(0, FINDER)
