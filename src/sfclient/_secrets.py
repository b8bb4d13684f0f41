"""Keys and tokens, which are not told again wherever the far side repeats them."""

import json
import re
from base64 import b64encode
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from sfclient._errors import printable

SHORTEST = 4  # characters; less is no secret, and may be part of anything
LIKELY = 8  # characters, with a digit among them: a token, and no word of a language
LONGEST_PUBLIC_STEP = 15  # characters; a longer step of a URL's path may be a token

# Those that we were not told: any URL may hold one; Bearer, Basic and token= have one behind them.
OTHERS = re.compile(
    r"([a-z][a-z0-9+.-]{0,30}://|\b(?:bearer|basic)\s+(?=\S*\d)|\b(?:token|key|sid|password)=)[^\s\"'<>&]+",
    re.IGNORECASE,
)
# Nor were we told of a word like this, with digits among its letters, and long without a break: dates, UUIDs and names
# have some.
OPAQUE = re.compile(
    r"(?<![\w-])(?=[\w-]*[a-z0-9]{16})(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]+", re.IGNORECASE
)
NOTHING = re.compile(r"(?!)")


class Secrets:
    """Those of one session: the key, the tokens of its URL, the sid. More can be added."""

    def __init__(self, *secrets: str) -> None:
        self._known = set(secrets)
        self._likely: set[str] = set()
        self._possible: set[str] = set()
        self._compile()

    def __repr__(self) -> str:
        return "<Secrets>"

    def __reduce__(self) -> tuple[type["Secrets"], tuple[()]]:
        """Copies and pickles hold none: who is handed a session is not handed the key."""
        return Secrets, ()

    def add(self, secret: str) -> None:
        """It is known again as it is, and as URLs, JSON and ``Authorization`` lines would hold it."""
        self._known.add(secret)
        self._compile()

    def add_url(self, url: str) -> None:
        """Likewise what of a URL may be a token."""
        for part in _parts_of(url):
            is_likely = len(part) >= LIKELY and any(map(str.isdigit, part))
            (self._likely if is_likely else self._possible).add(part)
        self._compile()

    def _compile(self) -> None:
        self._ours = _pattern(self._known | self._likely)
        self._any = _pattern(self._known | self._likely | self._possible)

    def hidden(self, text: str) -> str:
        """A text for the program, with ``***`` for each that is one of ours for sure, or likely."""
        return self._ours.sub("***", text)

    def masked(self, text: str) -> str:
        """A text that explains a failure: with ``***`` for what may be one of ours, and for what is like one."""
        return OPAQUE.sub("***", OTHERS.sub(r"\1***", self._any.sub("***", text)))

    def printable(self, text: str, longest: int | None = 200) -> str:
        """Likewise, and fit for an error or a terminal."""
        return printable(self.masked(text), longest)


def _pattern(secrets: set[str]) -> re.Pattern[str]:
    """Matches each in every form; the longest first, as one may be part of another."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= SHORTEST:
            written = json.dumps(secret)[1:-1]
            forms |= {secret, quote(secret, safe=""), written, *_in_base64(secret)}
    if not forms:
        return NOTHING
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)


def _parts_of(url: str) -> list[str]:
    """What of a valid URL may be a token."""
    parts = urlsplit(url)
    found = [part.partition("=")[2] or part for part in re.split("[&;]", parts.query)]
    found += [value for _name, value in parse_qsl(parts.query)]
    found += [step for step in parts.path.split("/") if len(step) > LONGEST_PUBLIC_STEP]
    found.append(parts.fragment)
    return [*found, *map(unquote, found)]


def _in_base64(secret: str) -> set[str]:
    """The characters that it gives behind any other bytes, as in ``user:key``; in both alphabets."""
    data = secret.encode(errors="replace")
    forms = set()
    for before in range(3):
        encoded = b64encode(bytes(before) + data).decode()
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        forms.add(encoded[first:last])
    return forms | {form.translate(str.maketrans("+/", "-_")) for form in forms}
