"""Workers that cannot place calls are refused by name, and a scheduler that is not there is told, before any call."""

import asyncio
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest

from sfclient import AuthenticationError, NetworkError, UsageError
from sfclient.testing.load import _cluster as cluster
from sfclient.testing.load import hold_load
from sfclient.testing.load._worker import Looks

from ...raw_servers import closed_port
from .made import load_of

GOOD = {name: version(name) for name in cluster.NEEDED}
HERE, THERE = "tcp://10.0.0.7:1", "tcp://10.0.0.8:2"


class Dask:
    """A client of a scheduler with these workers."""

    def __init__(self, packages: dict[str, Any], looks: dict[str, Any]) -> None:
        self.packages = packages
        self.looks = looks
        workers = {address: {"name": address[-1]} for address in packages}
        self.scheduler = SimpleNamespace(address="tcp://10.0.0.5:8786", identity=self._identity)
        self._workers = workers

    async def _identity(self) -> dict[str, Any]:
        return {"workers": self._workers}

    async def get_versions(self, packages: list[str]) -> dict[str, Any]:
        return {"workers": {name: {"packages": of} for name, of in self.packages.items()}}

    async def run(self, function: Any, *args: Any, **options: Any) -> dict[str, Any]:
        return self.looks


def looked_at(packages: dict[str, Any], looks: dict[str, Any] | None = None) -> cluster.Cluster:
    both = {HERE: Looks("Worker-1", True), THERE: Looks("Worker-2", True)}
    dask: Any = Dask(packages, both | (looks or {}))
    return asyncio.run(cluster._looked_at(dask, "LOAD_KEY", is_ours=False))


def test_workers_that_are_fit_are_named() -> None:
    found = looked_at({HERE: GOOD, THERE: GOOD})
    assert [worker.name for worker in found.workers] == [f"1 ({HERE})", f"2 ({THERE})"]
    assert [worker.process for worker in found.workers] == ["Worker-1", "Worker-2"]


@pytest.mark.parametrize(
    ("packages", "told"),
    [
        (GOOD | {"sfaudio": None}, "sfaudio is not installed"),
        (GOOD | {"sfaudio": "0.0.1"}, f"sfaudio is 0.0.1, and {GOOD['sfaudio']} here"),
        (GOOD | {"hdrhistogram": None}, "hdrhistogram is not installed"),
        ({}, "trio is not installed"),
    ],
)
def test_a_worker_without_what_it_needs_is_refused_by_name(packages: Any, told: str) -> None:
    with pytest.raises(UsageError, match="No call was placed") as caught:
        looked_at({HERE: GOOD, THERE: packages})
    assert f"worker {THERE}: {told}" in str(caught.value)
    assert HERE not in str(caught.value)


@pytest.mark.parametrize(
    ("came", "told"),
    [
        (Looks("Worker-2", False), "no API key in LOAD_KEY"),
        (ModuleNotFoundError("sfclient"), "ModuleNotFoundError as it was looked at"),
    ],
)
def test_a_worker_that_cannot_call_is_refused_by_name(came: Any, told: str) -> None:
    with pytest.raises(UsageError, match="the key is never sent") as caught:
        looked_at({HERE: GOOD, THERE: GOOD}, {THERE: came})
    assert f"worker {THERE}: {told}" in str(caught.value)


def test_a_scheduler_without_workers_is_told() -> None:
    with pytest.raises(UsageError, match=r"the scheduler at tcp://10\.0\.0\.5:8786 has no workers"):
        looked_at({})


async def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.05)
    scheduler = f"tcp://127.0.0.1:{(await closed_port()).port}"
    with pytest.raises(NetworkError, match=f"no Dask scheduler answers at {scheduler}"):
        await hold_load(load_of(), scheduler=scheduler)


@pytest.mark.parametrize("scheduler", ["10.0.0.5", "http://10.0.0.5:80", "tcp://10.0.0.5:x", ""])
async def test_what_is_no_address_of_a_scheduler_is_told(scheduler: str) -> None:
    with pytest.raises(UsageError, match="is no address of a Dask scheduler"):
        await hold_load(load_of(), scheduler=scheduler)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"workers": 0}, "workers=0 cannot be"),
        ({"workers": True}, "workers=True"),
        ({"workers": 2, "scheduler": "tcp://10.0.0.5:8786"}, "not both"),
    ],
)
async def test_wrong_use_is_told_before_a_process_starts(options: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        await hold_load(load_of(), **options)


async def test_a_load_without_a_key_is_told_before_a_process_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SYNTHFLOW_API_KEY", raising=False)
    with pytest.raises(AuthenticationError, match="no API key: set SYNTHFLOW_API_KEY"):
        await hold_load(load_of())
