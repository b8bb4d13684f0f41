"""Exit status 2: what is wrong is said in a line, and nobody is called."""

import sys
from pathlib import Path
from typing import Any

import pytest

from sfclient.cli import main
from sfclient.simulator import open_simulator

from ..conftest import noise, write_wav
from .conftest import KEY, MODULE, SILENT, WS_MEDIA, figures, sfclient


class TestWrongUse:
    async def test_arguments(self) -> None:
        for args, told in (
            ([], "COMMAND"),
            (["call", *SILENT], "either an ASSISTANT_ID or a --session-url"),
            (["call", "--session-url", "ws://192.0.2.1/?token=t", *SILENT], "in the clear"),
            (["call", "a", "--base-url", "http://192.0.2.1", *SILENT], "in the clear"),
        ):
            done = await sfclient(*args)
            assert done.status == 2
            assert told in done.stderr
            assert len(done.stdout.splitlines()) <= 1

    @pytest.mark.parametrize("option", ["--duration", "--latency", "--interrupt"])
    @pytest.mark.parametrize("text", ["soon", "-1", "nan"])
    def test_time_that_is_none(
        self, option: str, text: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["call", "a", f"{option}={text}"]) == 2
        assert f"argument {option}: {text!r} is no duration in seconds" in capsys.readouterr().err

    def test_who_is_called_behind_an_option_whose_number_may_be_left_out(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["call", "--interrupt", "an-agent"]) == 2
        assert "ASSISTANT_ID goes before the option" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("args", "told"),
        [
            (["--dialect", "ws-media"], "ws-media needs two phone numbers: give --from and --to"),
            (["--lead-name", "Ada"], "--lead-name is not for the widget dialect"),
            (["--region", "mars", *WS_MEDIA], "no region 'mars': choose us or eu"),
            (["--agent-version", "7", *WS_MEDIA], "--agent-version must be draft or"),
            (["--input-channel", "2", *SILENT], "--input-channel is of a sound device"),
            (["--follow", *SILENT], "--follow is of the default device"),
            (["--volume", "2", *SILENT], "--volume is of a sound device, and --output none is"),
            (["--echo", "gate", *SILENT], "--echo gate is of sound devices at both ends"),
            (["--interrupt", "3", *SILENT], "--interrupt must be between 0.1 and 2 seconds, not 3"),
            (["--interrupt", "--echo", "gate"], "choose --echo cancel"),
            (["--redial-an-hour", "3", *SILENT], "are limits of --redial: give that too"),
            (["--base-url", "http://192.0.2.1", *SILENT], "by name (--allow-insecure)"),
        ],
        ids=str,
    )
    def test_of_an_option_is_told_in_a_line_in_the_words_that_were_typed(
        self, args: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
    ) -> None:
        monkeypatch.setenv("SYNTHFLOW_API_KEY", KEY)
        assert main(["call", "a", *args]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("sfclient: ")
        assert told in line
        assert "_" not in line

    @pytest.mark.parametrize(
        "option",
        ["--duration=abc", "--frob", "--volume=17", "--input-channel=0", "--redial-in-a-row=0"],
    )
    def test_is_told_in_a_line_that_says_where_to_look(
        self, option: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["call", "a", option]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("sfclient: ")
        assert option.partition("=")[0] in line
        assert line.endswith("--help)")

    def test_without_a_key_what_to_set_is_said(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SYNTHFLOW_API_KEY", raising=False)
        assert main(["call", "a", *SILENT]) == 2
        told = capsys.readouterr().err
        assert told == "sfclient: there is no API key: set SYNTHFLOW_API_KEY\n"

    def test_playout_that_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["call", "a", "--playout=neteq"]) == 2
        told = capsys.readouterr().err
        assert "argument --playout: invalid choice: 'neteq'" in told
        assert all(policy in told for policy in ("adaptive", "lossless", "browser"))

    @pytest.mark.parametrize("key", [None, "nötig", "wrong-key-77"])
    async def test_key(self, key: str | None, tmp_path: Path) -> None:
        stats = tmp_path / "s.json"
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                "call", "a", "--base-url", sim.base_url, *SILENT, "--stats", stats, key=key
            )
        assert done.status == 2
        assert "key" in done.stderr
        assert key is None or not key.strip() or key not in done.stderr
        assert figures(stats)["ended"]["by"] == "caller"
        assert not sim.calls

    async def test_unknown_agent(self) -> None:
        async with open_simulator(key=KEY, assistant_id="agent-7") as sim:
            done = await sfclient("call", "agent-8", "--base-url", sim.base_url, *SILENT)
        assert done.status == 2
        assert "agent-8" in done.stderr

    async def test_session_used_up(self) -> None:
        async with open_simulator(key=KEY) as sim:
            url = sim.new_session_url()
            call = ("call", "--session-url", url, *SILENT, "--duration", 0.1)
            assert (await sfclient(*call)).status == 0
            done = await sfclient(*call)
        assert done.status == 1
        assert "request a new one" in done.stderr

    @pytest.mark.parametrize("option", ["--input", "--output", "--record", "--stats"])
    async def test_file_in_no_folder(self, option: str, tmp_path: Path) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.1),
                *(option, tmp_path / "gone" / "x.wav"),
            )
        assert done.status == 2
        assert "No such file" in done.stderr
        assert str(tmp_path / "gone" / "x.wav") in done.stderr

    @pytest.mark.parametrize("kind", ["missing", "garbage", "folder"])
    async def test_input_that_cannot_be_read(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "in.wav"
        if kind == "folder":
            path.mkdir()
        elif kind == "garbage":
            path.write_bytes(b"ID3" * 100)
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, "--input", path, "--output", "none"),
            )
        assert done.status == 2
        assert "in.wav" in done.stderr
        assert not sim.requests  # no session is spent on it

    @pytest.mark.parametrize("samplerate", [1, 47_999, 2**31 - 1])
    async def test_input_at_an_odd_rate(self, samplerate: int, tmp_path: Path) -> None:
        path = write_wav(tmp_path / "in.wav", bytes(200), samplerate)
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, "--duration", 0.1),
                *("--input", path, "--output", "none"),
            )
        assert done.status in (0, 2)
        assert done.status == 0 or str(samplerate) in done.stderr

    async def test_input_at_a_usual_rate(self, tmp_path: Path) -> None:
        path = write_wav(tmp_path / "in.wav", noise(0.3, 44_100), 44_100)
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, "--duration", 0.5),
                *("--input", path, "--output", "none"),
            )
        assert done.status == 0, done.stderr
        assert any(sim.calls[0].received_audio)

    @pytest.mark.skipif(sys.platform == "win32", reason="closes a descriptor")
    async def test_no_standard_input(self) -> None:
        shell = ["sh", "-c", 'exec "$@" <&-', "sh", *MODULE]
        done = await sfclient("call", "--session-url", "-", *SILENT, command=shell)
        assert done.status == 2

    @pytest.mark.parametrize("given", [b"", b"\xff\xfe\n"])
    async def test_no_url_on_standard_input(self, given: bytes) -> None:
        done = await sfclient("call", "--session-url", "-", *SILENT, stdin=given)
        assert done.status == 2


@pytest.mark.parametrize(
    "args",
    [
        ["frobnicate"],
        ["call"],
        ["call", "a", "b"],
        ["call", "a", "--session-url", "ws://127.0.0.1:1/"],
        ["call", "a", "--key", "x"],
        ["call", "a", "--api-key", "x"],
        ["call", "a", "--duration", "0"],
        ["call", "a", "--duration", "-1"],
        ["call", "a", "--duration", "nan"],
        ["call", "a", "--duration", "inf"],
        ["call", "a", "--duration", "soon"],
        ["call", "", *SILENT],
        ["call", "--session-url", "", *SILENT],
        ["call", "--session-url", "https://127.0.0.1/", *SILENT],
        ["call", "--session-url", "wss://a..example/", *SILENT],
        ["call", "--session-url", "ws://10.0.0.1/?token=tok", *SILENT],
        ["call", "a", "--base-url", "nonsense", *SILENT],
        ["call", "a", "--base-url", "http://example.com", *SILENT],
        ["demo", "--fast"],
        ["devices", "all"],
        ["simulator", "--port", "70000"],
    ],
    ids=" ".join,
)
def test_wrong_arguments(
    args: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quickly, without a process."""
    monkeypatch.setenv("SYNTHFLOW_API_KEY", KEY)
    with pytest.raises(SystemExit) as info:  # argparse does it by itself
        sys.exit(main(args))
    status = info.value.code
    assert status == 2 or (status == 1 and "wss://a..example/" in args)
    told = capsys.readouterr()
    assert told.err.strip()
    assert "token=" not in told.err
