"""The programs and commands of the README, for the tests that run them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.S)
PROGRAMS = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
# Each program by a piece of it. Those with a stream run in tests/portaudio, for they need a sound device.
NAMES = {
    "first": "trio.run(main)",
    "asyncio": "from sfclient.aio import",
    "blocking": "from sfclient.blocking import",
    "bridge": "async def bridge",
    "tap": "async for sound in call.tap",
    "report": "make_record(call, events)",
    "ws-media": 'region="eu"',
    "backend": "async def ask_backend",
    "redial": "redial=Redial(",
    "website": 'app.mount("/talk"',
    "stream": "print(stream.statistics())",
    "engine": "engine.statistics()",
    "meter": "meter.read_segments()",
    "canceller": "EchoCanceller(samplerate=16_000)",
    "many calls": "async def ask_all",
    "test": "async def test_the_agent_is_heard",
    "virtual": "run_virtually(talk)",
}


def program(name: str) -> str:
    (text,) = (text for text in PROGRAMS if NAMES[name] in text)
    return text
