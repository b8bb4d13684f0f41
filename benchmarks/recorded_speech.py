"""Recorded speech of real voices in five languages, 20 minutes of each at 16 kHz: for measurements and slow tests.

    python benchmarks/recorded_speech.py        fetches it into build/recorded-speech, and tells what is there

The prompts of Debian's `asterisk-core-sounds-*-g722` packages (one person speaks each language; CC BY or CC BY-SA 3.0),
fetched and unpacked, not installed, by apt-get and dpkg-deb, and decoded by PyPI's `G722`, which is installed if it is
missing. What is shorter than a second, or no speech, is left out, silence at both ends is cut, and all are set to one
level.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LANGUAGES = ("en", "es", "fr", "it", "ru")
SAMPLERATE = 16_000
FOLDER = Path(__file__).parents[1] / "build" / "recorded-speech"

BLOCK = SAMPLERATE // 100
SILENCE = 10 ** (-45 / 20)  # of full scale: quieter blocks at the ends of a prompt are cut
LEVEL = 10 ** (-23 / 20)  # root mean square of what is louder than that
SHORTEST = SAMPLERATE  # frames
BYTES_PER_SECOND = 8000  # of G.722 at 64 kbit/s

Samples = NDArray[np.int16]


def prompts(language: str) -> list[Samples]:
    """The prompts of a language, each its own array. They are fetched the first time."""
    path = FOLDER / f"{language}.npz"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.savez(file, *fetched(language))
        unfinished.rename(path)
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def fetched(language: str) -> list[Samples]:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        sys.exit(
            "recorded speech is fetched by Debian's apt-get and dpkg-deb: run this on a Debian"
        )
    package = f"asterisk-core-sounds-{language}-g722"
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
        made = [decoded(path) for path in sorted(Path(folder).rglob("*.g722")) if is_speech(path)]
    return [prompt for prompt in made if len(prompt) >= SHORTEST]


def is_speech(path: Path) -> bool:
    if path.stem == "tt-monkeys":  # screams
        return False
    long_enough = path.stat().st_size * SAMPLERATE >= SHORTEST * BYTES_PER_SECOND
    return long_enough and not path.is_symlink() and "silence" not in path.parts


def decoded(path: Path) -> Samples:
    samples = np.array(decoder()(SAMPLERATE, 64_000).decode(path.read_bytes())) / 32768
    blocks = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    loud = np.flatnonzero(np.mean(blocks**2, axis=1) > SILENCE**2)
    if len(loud) == 0:
        return np.zeros(0, np.int16)
    speech = blocks[loud[0] : loud[-1] + 1].ravel()
    speech *= LEVEL / np.sqrt(np.mean(blocks[loud] ** 2))
    return np.rint(np.clip(speech * 32768, -32768, 32767)).astype(np.int16)


def decoder() -> type:
    try:
        from G722 import G722  # type: ignore[import-not-found]
    except ImportError:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "G722"], check=True)
        from G722 import G722
    return G722


def main() -> None:
    for language in LANGUAGES:
        spoken = prompts(language)
        minutes = sum(map(len, spoken)) / SAMPLERATE / 60
        print(f"{language}: {len(spoken)} prompts, {minutes:.1f} minutes")


if __name__ == "__main__":
    main()
