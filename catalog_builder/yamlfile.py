"""YAML as people write it by hand: plain values, the line each stands on, and faults in plain words.

Knows YAML's grammar; does not know what the values mean.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml
from yaml.reader import ReaderError

from catalog_builder.errors import CatalogError

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
Location = tuple[str | int, ...]
"""Names and numbers that lead from the top to a value: ``("rules", 0, "match", "command")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A name given twice in one place."""

    name: str
    line: int
    """Of the second; counted from 1, as ``first``."""
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A YAML file, read."""

    data: Plain
    """Dates and other special values stay the text they are written as; None for an empty file."""
    lines: Mapping[Location, int] = field(default_factory=dict)
    """The line each name or list item stands on, counted from 1."""
    repeated: tuple[Repeated, ...] = ()


def parse(content: bytes, name: str) -> Document:
    """Read a YAML file; raises CatalogError with line and column where it is broken.

    Parameters
    ----------
    name
        What errors call the file.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        where = _position(name, content[: exc.start].decode("latin-1"))
        raise CatalogError("not UTF-8 text", where=where, remedy="save the file as UTF-8") from exc
    try:
        return _Reading(text).document()
    except ReaderError as exc:
        where = _position(name, text[: exc.position])
        raise CatalogError("a control character, which YAML forbids", where=where, remedy="remove it") from exc
    except yaml.MarkedYAMLError as exc:
        raise _broken(exc, name) from exc
    except RecursionError as exc:
        raise CatalogError("lists or settings are nested too deeply", where=name) from exc


def _position(name: str, before: str) -> str:
    """Give ``name:line:column`` of what follows a text."""
    return f"{name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


class _Loader(yaml.SafeLoader):
    """SafeLoader without dates: ``start: 2024-01-01`` stays text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own spelling
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Reading:
    """One file on its way from YAML nodes to plain values."""

    def __init__(self, text: str) -> None:
        self._loader = _Loader(text)
        self._lines: dict[Location, int] = {}
        self._repeated: list[Repeated] = []
        self._merged: set[int] = set()

    def document(self) -> Document:
        node = self._loader.get_single_node()
        data = None if node is None else self._plain(node, (), ())
        return Document(data=data, lines=self._lines, repeated=tuple(self._repeated))

    def _plain(self, node: yaml.Node, at: Location, above: tuple[yaml.Node, ...]) -> Plain:
        if node in above:
            raise yaml.composer.ComposerError(None, None, "an anchor holds itself", node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._lines[*at, number] = item.start_mark.line + 1
            return [self._plain(item, (*at, number), (*above, node)) for number, item in enumerate(node.value)]
        value = self._loader.construct_object(node)
        if re.search("[\ud800-\udfff]", str(node.value)):
            raise yaml.composer.ComposerError(None, None, "an escape that stands for no character", node.start_mark)
        return value if value is None or isinstance(value, str | int | float | bool) else str(node.value)

    def _mapping(self, node: yaml.MappingNode, at: Location, above: tuple[yaml.Node, ...]) -> dict[str, Plain]:
        if id(node) not in self._merged:  # an anchored mapping is met again at each of its aliases
            self._merged.add(id(node))
            self._note_repeated(node)
            self._loader.flatten_mapping(node)
        values: dict[str, Plain] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.composer.ComposerError(None, None, "a list cannot be a name", key.start_mark)
            self._lines[*at, key.value] = key.start_mark.line + 1
            values[key.value] = self._plain(value, (*at, key.value), above)
        return values

    def _note_repeated(self, node: yaml.MappingNode) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and first.setdefault(key.value, line) != line:
                self._repeated.append(Repeated(name=key.value, line=line, first=first[key.value]))


_CAUSES = (
    ("'\\t' that cannot start", "a tab stands where a value or blanks are expected", "use blanks"),
    ("mapping values are not allowed", "a colon is not expected here",
     "check the indentation, and put text that holds ': ' in quotes"),
    ("could not find expected ':'", "a name without a colon behind it", "write 'name: value'"),
    ("unknown escape character", "a backslash that starts no known escape",
     "put regular expressions in single quotes"),
    ("found unexpected end of stream", "a quote is opened and never closed", "close it"),
    ("expected <block end>", "this line does not fit those it belongs to", "check its indentation and its quotes"),
    ("expected ',' or", "a bracket is opened and not closed, or a comma is missing", None),
    ("found undefined alias", "an alias (*) of an anchor (&) that does not exist", "put the text in quotes"),
    ("found another document", "a second document begins here", "remove the line '---'"),
    ("could not determine a constructor", "a tag (!) that is not known", "put the text in quotes"),
    ("cannot start any token", "a character that cannot begin a value", "put the text in quotes"),
)  # fmt: skip
"""What PyYAML says, what it means, and what to do."""


def _broken(error: yaml.MarkedYAMLError, name: str) -> CatalogError:
    mark = error.problem_mark or error.context_mark
    where = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
    said = error.problem or error.context or "is not YAML"
    for phrase, what, remedy in _CAUSES:
        if phrase in said:
            return CatalogError(what, where=where, remedy=remedy)
    return CatalogError(said, where=where)
