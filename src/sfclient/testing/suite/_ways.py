"""With whom the conversations of a suite are held, and on which clock. A way is an ordinary object: it runs trio."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import trio

from sfclient._dialects import dialect_named
from sfclient._errors import SfclientError
from sfclient._http import service_at
from sfclient._session import look_at_order, request_session
from sfclient.testing._network import Network
from sfclient.testing._networks import network_named
from sfclient.testing._proxy import open_proxy
from sfclient.testing.script import Outcome, Script, hold_conversation
from sfclient.testing.suite._agents import Instead, SimulatedAgent, check_agents, simulated_agent
from sfclient.testing.virtual import open_memory_agent, run_virtually

if TYPE_CHECKING:
    from sfclient.simulator import Simulator
    from sfclient.testing.virtual._agent import MemoryAgent

Tell = Callable[[Outcome], None]

# Anybody's, for nobody is called: of those kept for fiction in North America.
FROM_NUMBER, TO_NUMBER = "+12025550100", "+12025550101"
OWN_FAULT = "this is a fault of sfclient, not of the agent; please report it"
# Bytes in a second of sound, up and down, for networks whose speed is told in that of sound.
BYTERATES = {"widget": (96_000, 32_000), "ws-media": (32_000, 32_000)}
NO_ORDER = dict.fromkeys(("codec", "framing", "region", "base_url"))


class Way(Protocol):
    """One of those below, or a program's own."""

    is_exact: ClassVar[bool]
    """Whether a script is heard the same each time, bit for bit."""

    def check(self, scripts: list[Script]) -> None:
        """Raise `UsageError` for what could not be held this way: before any call."""

    def hold(self, script: Script, folder: Path | None, tell: Tell) -> None:
        """Hold one conversation, and `tell` its outcome, of one that Ctrl-C has ended too.

        What is to be kept of it goes to `folder`. Raises what keeps it from an outcome.
        """


@dataclass(frozen=True, slots=True)
class _Simulated:
    """With a simulated agent on this machine, a new one for each conversation."""

    dialect: str = "widget"
    network: str | None = None
    """What lies in between, as `network_named` takes it; None: nothing."""
    network_seed: int = 0
    agent: Instead = None
    """Instead of those that the scripts name; a text as in their tables."""

    def check(self, scripts: list[Script]) -> None:
        self._network()
        check_agents(scripts, self.agent, self.dialect)

    def _agent(self, script: Script) -> SimulatedAgent:
        return simulated_agent(script, self.agent, self.dialect)

    def _network(self) -> Network | None:
        if self.network is None:
            return None
        up, down = BYTERATES[dialect_named(self.dialect).name]
        return network_named(self.network, self.network_seed, up=up, down=down)


@dataclass(frozen=True, slots=True)
class OnVirtualClock(_Simulated):
    """With a simulated agent in this process, in as little time as it takes to compute it, and each time the same.

    Messages pass without sockets: what such a conversation leaves out, `sfclient.testing.virtual` says.
    """

    is_exact: ClassVar[bool] = True

    def hold(self, script: Script, folder: Path | None, tell: Tell) -> None:
        opening = partial(
            open_memory_agent,
            **self._agent(script).options,
            dialect=self.dialect,
            network=self._network(),
        )
        run_virtually(self._hold, script, opening, folder, tell)

    async def _hold(
        self,
        script: Script,
        opening: "Callable[[], AbstractAsyncContextManager[MemoryAgent]]",
        folder: Path | None,
        tell: Tell,
    ) -> None:
        async with opening() as there:
            await hold_conversation(script, there.session(), folder=folder, on_outcome=tell)


@dataclass(frozen=True, slots=True)
class OverSocket(_Simulated):
    """With a simulated agent in real time, over sockets of this machine."""

    is_exact: ClassVar[bool] = False

    def hold(self, script: Script, folder: Path | None, tell: Tell) -> None:
        from sfclient.simulator import open_simulator  # the agent has been made by it already

        opening = partial(open_simulator, **self._agent(script).options)
        trio.run(self._hold, script, opening, self._network(), folder, tell)

    async def _hold(
        self,
        script: Script,
        opening: "Callable[[], AbstractAsyncContextManager[Simulator]]",
        network: Network | None,
        folder: Path | None,
        tell: Tell,
    ) -> None:
        async with opening() as there, _way_to(there.base_url, network) as base_url:
            numbers = (FROM_NUMBER, TO_NUMBER) if self.dialect == "ws-media" else (None, None)
            get_session = partial(
                request_session,
                "agent",
                api_key=there.key,
                base_url=base_url,
                dialect=self.dialect,
                from_number=numbers[0],
                to_number=numbers[1],
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
    assistant_id: str
    api_key: str = field(repr=False)
    dialect: str = "widget"
    allow_insecure: bool = False
    order: Mapping[str, Any] = field(default_factory=dict)
    """What else `request_session` takes for the order, and where the service is."""

    def check(self, scripts: list[Script]) -> None:
        order = NO_ORDER | dict(self.order)
        url, _ = look_at_order(self.assistant_id, dialect=self.dialect, **order)
        service_at(url, self.api_key, None, None, allow_insecure=self.allow_insecure)

    def hold(self, script: Script, folder: Path | None, tell: Tell) -> None:
        get_session = partial(
            request_session,
            self.assistant_id,
            api_key=self.api_key,
            dialect=self.dialect,
            allow_insecure=self.allow_insecure,
            **self.order,
        )
        hold = partial(
            hold_conversation,
            folder=folder,
            on_outcome=tell,
            dialect=self.dialect,
            codec=self.order.get("codec"),
            framing=self.order.get("framing"),
            allow_insecure=self.allow_insecure,
        )
        try:
            trio.run(hold, script, get_session)
        except SfclientError:
            raise
        except Exception as error:
            # Not what it says: nobody knows what is in it, and the key may be.
            raise RuntimeError(f"{type(error).__name__}: {OWN_FAULT}") from None
