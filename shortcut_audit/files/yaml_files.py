"""YAML text -> plain values: the one reader for every file that the product reads.

It reads less than YAML allows, so that nothing is read otherwise than it was meant: a key stands
once, keys are text (a whole number too, as it is written), and a number is a number only where it
is written as one (`010`, `1:30` and dates are text; `1e-4` is a number).
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

import yaml

from shortcut_audit.errors import UsageError

LARGEST = 100_000  # values in a file once every alias stands for what it names
TAG = "tag:yaml.org,2002:"
KEPT = {TAG + "bool", TAG + "null", TAG + "merge"}  # read as in YAML 1.1
PLAIN = {*KEPT, TAG + "str", TAG + "int", TAG + "float", TAG + "seq", TAG + "map"}
KINDS = {  # of a key that is no text
    "int": "a number",
    "float": "a number",
    "bool": "a yes/no value",
    "null": "nothing",
    "seq": "a list",
    "map": "a mapping",
}
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
DECIMAL = re.compile(
    r"[-+]?((0|[1-9][0-9]*)?\.[0-9]+|(0|[1-9][0-9]*)\.?)([eE][-+]?[0-9]+)?$"
    r"|[-+]?\.(inf|Inf|INF)$"
    r"|\.(nan|NaN|NAN)$"
)
HALF = re.compile("[\ud800-\udfff]")  # half of a character
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_mapping(path: Path, what: str, keys: str) -> dict[str, Any]:
    """The mapping that a file holds.

    Args:
        path: the file.
        what: its name in a sentence, e.g. "the scenario 'mine.yaml'".
        keys: what the mapping must have, for the sentence about a file that is none, e.g. "the
            key 'models'".

    Raises:
        UsageError: it cannot be read, is no text or no YAML, or is anything but a mapping.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {what}: {error.strerror}") from None
    return parsed_mapping(content, what, keys)


def parsed_mapping(content: bytes, what: str, keys: str) -> dict[str, Any]:
    """The mapping that these bytes hold; raises as `read_mapping` does."""
    found = parsed(content, what)
    if isinstance(found, dict):
        return found
    kind = {type(None): "empty", list: "a list"}.get(type(found), f"only {found!r:.40}")
    raise UsageError(f"{what} must be a mapping with {keys}, and it is {kind}")


def parsed(content: bytes, what: str) -> Any:
    """What the bytes say: dictionaries with text as keys, lists, text, numbers, yes/no and None.

    Laws: a key that stands twice in one mapping, or comes from two merged ones (`<<: [*a, *b]`),
    is an error; a key beside `<<` goes before the merged one, as in YAML. What aliases repeat is
    counted before it is made.

    Raises:
        UsageError: no UTF-8, no YAML, or YAML that says what is not read here; one sentence
            with the line.
    """
    try:
        text = content.decode("utf-16" if content.startswith(UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is {content[error.start]:#04x}"
        raise UsageError(f"{what} is no text in UTF-8 ({where}): save it as UTF-8") from None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _size(root, {})
        return loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise UsageError(f"{what} is not YAML: {_sentence(error)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{what} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UsageError(f"{what} is not YAML: it is nested too deep") from None


class _Loader(yaml.SafeLoader):
    """Reads plain values alone.

    What is refused is refused while the text is read, before anything is made of it.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One value, as PyYAML composes it, if it is a plain one."""
        node: yaml.Node | None = super().compose_node(parent, index)
        if node is not None and node.tag not in PLAIN:
            tag = node.tag.replace(TAG, "!!")
            raise _problem(node, f"'{tag}' is not read here: write a plain value")
        if isinstance(node, yaml.ScalarNode) and HALF.search(node.value):
            raise _problem(node, "a half of a character (\\ud800 to \\udfff) is no text")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """One mapping, as PyYAML composes it, if its keys can be text and stand once."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            kind = key.tag.removeprefix(TAG)
            if kind == "int":  # as a class's number or a table's value: text, as it is written
                kind = "str"
                key.tag = TAG + kind
            if kind not in ("str", "merge"):
                found = key.value if isinstance(key.value, str) and key.value else "it"
                said = f"the key {found} is {KINDS[kind]}, and keys are text: put it in quotes"
                raise _problem(key, said)
            if key.value in seen:
                raise _problem(key, f"the key '{key.value}' stands twice")
            seen.add(key.value)
        _keys(node)
        return node


_Loader.yaml_implicit_resolvers = {}
for _first, _resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
    _Loader.yaml_implicit_resolvers[_first] = [each for each in _resolvers if each[0] in KEPT]


class _Dumper(yaml.SafeDumper):
    """Quotes the text that this reader, or any of YAML 1.1, would take for something else."""


for _tag, _pattern in ((TAG + "int", WHOLE), (TAG + "float", DECIMAL)):
    _Loader.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))
    _Dumper.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))


def dumped(content: Any) -> str:
    """The text of a file that holds these plain values.

    Law: `parsed` gives them back, and so does any reader of YAML 1.1.
    """
    text: str = yaml.dump(
        content,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=120,
    )
    return text


def _keys(node: yaml.Node) -> set[str]:
    """The keys of a mapping, with those that it merges in.

    Raises:
        MarkedYAMLError: a key comes from two merged mappings: which one counts nobody said.
    """
    own = {key.value for key, _ in node.value if key.tag != TAG + "merge"}
    merged: set[str] = set()
    for key, value in node.value:
        if key.tag != TAG + "merge":
            continue
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            found = _keys(source) if isinstance(source, yaml.MappingNode) else set()
            if clash := sorted((found & merged) - own):
                raise _problem(key, f"the key '{clash[0]}' comes from two merged mappings")
            merged |= found
    return own | merged


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for.

    Raises:
        MarkedYAMLError: it holds itself, or too many.
    """
    if id(node) in known:
        if not known[id(node)]:
            raise _problem(node, "an alias stands within what it names")
        return known[id(node)]
    known[id(node)] = 0  # begun
    total = 1
    if not isinstance(node, yaml.ScalarNode):
        for child in node.value:
            parts = child if isinstance(child, tuple) else (child,)  # key and value of a mapping
            for part in parts:
                total += _size(part, known)
    if total > LARGEST:
        raise _problem(node, f"its aliases stand for more than {LARGEST} values")
    known[id(node)] = total
    return total


def _problem(node: yaml.Node, said: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=said, problem_mark=node.start_mark)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    """What is wrong and where, e.g. `the key 'F0' stands twice (line 3)`."""
    said = " ".join(part for part in (error.context, error.problem) if part)
    if error.problem and "'\\t'" in error.problem:
        said = "there is a tab where only spaces may be"
    where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
    return f"{said}{where}"
