"""Names and claims as users wrote them -> Markdown that is read as it was meant."""

from __future__ import annotations

import re

LONGEST = 4000  # characters of one name or claim
# what Markdown, HTML, or a server's links to people, issues and addresses would make something of
SPECIAL = re.compile(
    r"[\\`*\[\]|&<>~$@#!%]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"
    r"|:(?=//|[\w+-]+:)|(?<=www)\.|(?<=GH)-",
    re.IGNORECASE,
)
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
ESCAPED = frozenset("\\`*[]|~$_")  # by a backslash, where Markdown is read
LINKING = frozenset("@#!$%~&")  # those that begin a mention or a reference, before a word
APART = "&#8203;"  # a space of no width: servers look for links in the finished text


def escaped(text: str, markdown: bool = True) -> str:
    """Text as it is to be read, in one line, for Markdown or for HTML within it.

    Laws: it opens no tag, code, emphasis, link, formula or cell; no server takes a part of it for a
        mention, an issue, a label or an address.
    """
    text = "".join(each if each.isprintable() else " " for each in text)
    text = " ".join(text.split())
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} …"

    def harmless(match: re.Match[str]) -> str:
        char, behind = match[0], text[match.end() : match.end() + 1]
        if char in ".:-":
            return f"{APART}{char}{APART}"
        shown = f"\\{char}" if markdown and char in ESCAPED else ENTITIES.get(char, char)
        links = char in LINKING and (behind.isalnum() or behind in ("_", '"'))
        return shown + APART if links else shown

    return SPECIAL.sub(harmless, text)
