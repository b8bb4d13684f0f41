"""HTML and SVG, escaped by construction: a text becomes markup by `tag` alone, which escapes all that is not yet."""

from collections.abc import Iterable
from html import escape

from sfclient._errors import printable

Attribute = str | float | None
VOID = {"meta"}


class Markup(str):
    """A text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *inside: str, **attributes: Attribute) -> Markup:
    """An element. Of attributes, `class_` is class, `aria_label` is aria-label, and None is left out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{join(inside)}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    """One after the other. Control characters, and those that turn the direction of writing, become spaces."""
    return Markup(
        "".join(
            part if isinstance(part, Markup) else escape(printable(part, None)) for part in parts
        )
    )


def short(value: float) -> str:
    """A coordinate, to a tenth of a unit."""
    return f"{value:.1f}".removesuffix(".0")


def _text(value: str | float) -> str:
    return printable(value, None) if isinstance(value, str) else short(value)
