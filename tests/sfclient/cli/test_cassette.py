"""A call of the command that is kept, and played again, as processes."""

import signal
from pathlib import Path

import pytest

from .conftest import KEY, POSIX, SILENT, check_secrets, running, sfclient


@POSIX
@pytest.mark.slow
async def test_call_that_is_kept_is_played_again(tmp_path: Path) -> None:
    path = tmp_path / "monday.cassette"
    async with running("simulator", "--key", KEY, "--agent", "echo", key=None) as simulator:
        await simulator.says("\n")
        base_url = simulator.stdout.splitlines()[0]
        options = ["--base-url", base_url, *SILENT, "--duration", "3"]
        done = await sfclient("call", "any", *options, "--cassette", str(path), key=KEY)
        assert done.status == 0, done.stderr
        refused = await sfclient("call", "any", *options, "--cassette", str(path), key=KEY)
        assert refused.status == 2
        assert "monday.cassette is there already" in refused.stderr
        simulator.signal(signal.SIGTERM)
    check_secrets(path.read_bytes().decode(errors="replace"))
    again = await sfclient("replay", str(path), key=None)
    assert again.status == 0, again.stderr
    assert "Played again to the same sound" in again.stdout
