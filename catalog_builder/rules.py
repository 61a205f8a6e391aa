"""What a site's rules suggest for a scan: its flag, its keywords, the dataset it belongs to.

Knows regular expressions and the order of rules; does not know files, and does not decide: what the file
itself says, or a person, comes first.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from catalog_builder.config import Match, Rule
from catalog_builder.records import Suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """What all rules together suggest, each value with the name of its rule."""

    flag: Suggestion | None = None
    """Of the first rule that hits and sets a flag; None where no rule does."""
    keywords: tuple[Suggestion, ...] = ()
    """Of all rules that hit, in the order of the rules, each keyword once."""
    group: Suggestion | None = None
    """Grouping value of the first rule that hits and sets one; None where no rule does."""


def suggestions(
    rules: Iterable[Rule],
    *,
    command: str | None,
    title: str | None,
    sample: str | None,
    setup: str | None,
    file: str | None,
) -> Suggested:
    """Give what the rules suggest for a scan of which these five texts are known.

    Parameters
    ----------
    rules
        In the order of the configuration: the first to set a flag or a group wins, keywords add up.
    command, title, sample, setup, file
        What the expressions are searched in, upper and lower case alike. None means unknown, and no
        expression hits it. ``setup`` is the beamtime's; ``file`` is the source's path below ``raw/``.
    """
    texts = {"command": command, "title": title, "sample": sample, "setup": setup, "file": file}
    flag: Suggestion | None = None
    group: Suggestion | None = None
    keywords: dict[str, Suggestion] = {}
    for rule in rules:
        if not _hits(rule.match, texts):
            continue
        if flag is None and rule.set.flag is not None:
            flag = Suggestion(value=rule.set.flag, rule=rule.name)
        if group is None and rule.set.group is not None:
            group = Suggestion(value=rule.set.group, rule=rule.name)
        for keyword in rule.set.keywords:
            keywords.setdefault(keyword, Suggestion(value=keyword, rule=rule.name))
    return Suggested(flag=flag, keywords=tuple(keywords.values()), group=group)


def _hits(match: Match, texts: Mapping[str, str | None]) -> bool:
    """Tell whether every expression that is given is found; a match without any never hits."""
    wanted = _compiled(match)
    return bool(wanted) and all((text := texts[name]) is not None and expr.search(text) for name, expr in wanted)


@cache
def _compiled(match: Match) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Compile the expressions that are given, once a process: a rule is asked of every scan.

    Python's expressions can take exponential time on unlucky text (``(a+)+$``). They come from the site's own
    configuration, and the texts are short; nothing guards against a site that slows itself down.
    """
    given = ((name, expression) for name, expression in match if expression is not None)
    return tuple((name, re.compile(expression, re.IGNORECASE)) for name, expression in given)
