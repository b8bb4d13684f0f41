"""Whom the environment trusts: told by the variable if it is of no use, before anybody is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sfclient import UsageError
from sfclient._websocket import open_websocket

from ..conftest import UnhurriedClock
from ..raw_servers import Resolver, accept, server_context, serving
from .conftest import PATH, URL, connect, failing

if TYPE_CHECKING:
    import trustme  # not for every Python there is a wheel of what it needs


async def test_file_and_folder_that_are_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolver: Resolver
) -> None:
    (tmp_path / "empty.pem").touch()
    for name, path, why in (
        ("SSL_CERT_FILE", tmp_path / "none.pem", "No such file"),
        ("SSL_CERT_FILE", tmp_path / "empty.pem", "no certificates in it"),
        ("SSL_CERT_FILE", tmp_path, "directory|no certificates"),
        ("SSL_CERT_DIR", tmp_path / "none", "No such file"),
        ("SSL_CERT_DIR", tmp_path / "empty.pem", "Not a directory"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, str(path))
            with failing(UsageError, f"variable {name} is of no use: '{path}': .*({why})"):
                await connect(URL)
    assert not resolver.asked


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
async def test_file_that_never_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast_clock: UnhurriedClock
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    monkeypatch.setenv("SSL_CERT_FILE", str(fifo))
    with failing(UsageError, f"variable SSL_CERT_FILE is of no use: '{fifo}' cannot be read"):
        await connect(URL)
    os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))  # lets the thread go


async def test_authority_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, resolver: Resolver
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with serving(accept, server_context(authority, "agents.example")) as peer:
        async with open_websocket(f"wss://agents.example:{peer.port}{PATH}"):
            pass
