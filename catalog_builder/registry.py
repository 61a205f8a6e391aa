"""A small table of named parts of one kind: readers, executors, ways to sign in, staging backends.

Knows names and where each part is defined; does not know what the parts do.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from catalog_builder.errors import CatalogError, did_you_mean

Part = TypeVar("Part")


class Registry(Generic[Part]):
    """Parts by name: built-ins as ``"module:attribute"``, others by entry point ``catalog_builder.<kind>``.

    A part's module is imported when it is first asked for, so that an optional library is needed only by
    those who use it. ``noun`` is what one part is called in messages; without it, ``kind`` without its s.
    """

    def __init__(self, kind: str, built_in: Mapping[str, str], *, noun: str | None = None) -> None:
        self.kind = kind
        self.noun = noun or kind.removesuffix("s")
        self._targets = dict(built_in)
        self._loaded: dict[str, Part] = {}
        for entry in entry_points(group=f"catalog_builder.{kind}"):
            self._targets.setdefault(entry.name, entry.value)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._targets))

    def get(self, name: str) -> Part:
        """Give the part of that name.

        Raises CatalogError with a suggestion where there is none, and where a library it needs is missing.
        """
        if name not in self._targets:
            raise CatalogError(f"no {self.noun} {name!r}", remedy=did_you_mean(name, self._targets))
        if name not in self._loaded:
            self._loaded[name] = self._imported(name)
        return self._loaded[name]

    def _imported(self, name: str) -> Part:
        module, _, attribute = self._targets[name].partition(":")
        try:
            part: Part = getattr(import_module(module), attribute)
        except ImportError as exc:
            missing = exc.name or module
            raise CatalogError(
                f"the {self.noun} {name!r} needs {missing!r}, which cannot be imported ({exc})",
                remedy="install it, or choose another",
            ) from exc
        except AttributeError as exc:
            raise CatalogError(f"the {self.noun} {name!r} is not in {module!r}", remedy="mend its entry point") from exc
        return part
