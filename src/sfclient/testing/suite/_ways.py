"""With whom the conversations of a suite are held, and on which clock. A way is an ordinary object: it runs trio."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import trio

from sfclient._errors import UsageError
from sfclient._session import GetSession, request_session
from sfclient.testing._network import Network
from sfclient.testing._proxy import open_proxy
from sfclient.testing.script import Outcome, Script, hold_conversation
from sfclient.testing.suite._agents import SimulatedAgent, check_agents, simulated_agent
from sfclient.testing.virtual import open_memory_agent, run_virtually

if TYPE_CHECKING:
    from sfclient.simulator import Agent

Told = Callable[[Outcome], object]

# Anybody's, for nobody is called: of those kept for fiction in North America.
NUMBERS = {"from_number": "+12025550100", "to_number": "+12025550101"}


class Way(Protocol):
    """One of those below, or a program's own."""

    is_exact: ClassVar[bool]
    """Whether a script is heard the same each time, bit for bit."""

    def check(self, scripts: list[Script]) -> None:
        """Raise `UsageError` for what could not be held this way: before any call."""

    def hold(self, script: Script, folder: Path | None, tell: Told) -> None:
        """Hold one conversation, and `tell` its outcome, of one that Ctrl-C has ended too.

        What is to be kept of it goes to `folder`. Raises what keeps it from an outcome.
        """


@dataclass(frozen=True, slots=True)
class _Simulated:
    """With a simulated agent on this machine, a new one for each conversation."""

    dialect: str = "widget"
    network: Network | None = None
    agent: "str | Agent | None" = None
    """Instead of those that the scripts name; a text as in their tables."""

    def check(self, scripts: list[Script]) -> None:
        check_agents(scripts, self.agent)


@dataclass(frozen=True, slots=True)
class OnVirtualClock(_Simulated):
    """With a simulated agent in this process, in as little time as it takes to compute it, and each time the same.

    Messages pass without sockets: what such a conversation leaves out, `sfclient.testing.virtual` says.
    """

    is_exact: ClassVar[bool] = True

    def hold(self, script: Script, folder: Path | None, tell: Told) -> None:
        run_virtually(self._hold, script, simulated_agent(script, self.agent), folder, tell)

    async def _hold(
        self, script: Script, there: SimulatedAgent, folder: Path | None, tell: Told
    ) -> None:
        async with open_memory_agent(
            there.agent,
            dialect=self.dialect,
            network=self.network,
            announce_ready=there.announce_ready,
        ) as memory:
            await hold_conversation(script, memory.session(), folder=folder, on_outcome=tell)


@dataclass(frozen=True, slots=True)
class OverSocket(_Simulated):
    """With a simulated agent in real time, over sockets of this machine."""

    is_exact: ClassVar[bool] = False

    def hold(self, script: Script, folder: Path | None, tell: Told) -> None:
        trio.run(self._hold, script, simulated_agent(script, self.agent), folder, tell)

    async def _hold(
        self, script: Script, there: SimulatedAgent, folder: Path | None, tell: Told
    ) -> None:
        try:
            from sfclient.simulator import open_simulator
        except ImportError as error:
            raise UsageError(str(error)) from None
        async with (
            open_simulator(there.agent, announce_ready=there.announce_ready) as simulator,
            _way_to(simulator.base_url, self.network) as base_url,
        ):
            get_session = partial(
                request_session,
                "agent",
                api_key=simulator.key,
                base_url=base_url,
                dialect=self.dialect,
                **(NUMBERS if self.dialect == "ws-media" else {}),
            )
            await hold_conversation(
                script, get_session, folder=folder, on_outcome=tell, dialect=self.dialect
            )


@asynccontextmanager
async def _way_to(base_url: str, network: Network | None) -> AsyncIterator[str]:
    if network is None:
        yield base_url
        return
    async with open_proxy(base_url, network) as proxy:
        yield proxy.through(base_url)


@dataclass(frozen=True, slots=True)
class AtService:
    """With an agent of the service, in real time. Such calls may cost something."""

    is_exact: ClassVar[bool] = False
    get_session: GetSession = field(repr=False)  # it may hold a key
    options: dict[str, Any] = field(default_factory=dict)
    """Of `open_call`, such as the dialect."""

    def check(self, scripts: list[Script]) -> None:
        """Whatever a script expects, it may be expected of a service."""

    def hold(self, script: Script, folder: Path | None, tell: Told) -> None:
        hold = partial(hold_conversation, folder=folder, on_outcome=tell, **self.options)
        trio.run(hold, script, self.get_session)
