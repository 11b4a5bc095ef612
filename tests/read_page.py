"""A page as a tree, by the standard library's parser: what a reader without style sheets gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br"}


@dataclass
class Element:
    """An element with its attributes and what is in it, words and elements in their order."""

    tag: str
    attributes: dict[str, str]
    inside: list[Element | str] = field(default_factory=list)

    def all(self, tag: str = "") -> Iterator[Element]:
        """Itself and every element below it, in the order of the page; of one tag, if named."""
        if tag in ("", self.tag):
            yield self
        for each in self.inside:
            if isinstance(each, Element):
                yield from each.all(tag)

    def text(self) -> str:
        """Its words, with single spaces."""
        words = [each if isinstance(each, str) else each.text() for each in self.inside]
        return " ".join(" ".join(words).split())

    def get(self, name: str) -> str:
        """An attribute; "" where there is none."""
        return self.attributes.get(name, "")


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, {name: value or "" for name, value in attrs})
        assert len(element.attributes) == len(attrs), f"an attribute twice: {attrs}"
        self.open[-1].inside.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].inside.append(data)


def parsed(text: str) -> Element:
    """The page's root. Law: every element is closed where it was opened."""
    tree = _Tree()
    tree.feed(text)
    tree.close()
    assert len(tree.open) == 1
    return tree.open[0]
