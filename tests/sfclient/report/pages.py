"""A page as a browser takes it apart: its elements, with their attributes and their text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    text: str = ""
    inside: list["Element"] = field(default_factory=list)

    def all(self, name: str, *classes: str) -> list["Element"]:
        """Those of this name and these classes in it, in their order."""
        found = [self] if self.name == name and set(classes) <= self.classes else []
        return found + [other for child in self.inside for other in child.all(name, *classes)]

    def one(self, name: str, *classes: str) -> "Element":
        (element,) = self.all(name, *classes)
        return element

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())

    @property
    def words(self) -> str:
        """Its text, and that of all in it."""
        return " ".join(filter(None, [self.text, *(child.words for child in self.inside)]))

    def number(self, name: str) -> float:
        return float(self.attributes[name])

    def shape(self) -> list[object]:
        """All of it but texts and values."""
        return [self.name, sorted(self.attributes), [child.shape() for child in self.inside]]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("page", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].text += data


def parse(page: str) -> Element:
    """Its elements, each of which must be closed where it was opened."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    (root,) = parser.open
    return root.one("html")
