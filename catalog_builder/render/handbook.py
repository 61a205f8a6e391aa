"""The help pages: Markdown made safe HTML.

Knows Markdown and what HTML may remain; does not know where the texts come from.
"""

import re

import markdown
import nh3

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")

_INLINE = {"a", "br", "code", "em", "kbd", "strong"}
_BLOCKS = {"blockquote", "dd", "dl", "dt", "h1", "h2", "h3", "h4", "hr", "li", "ol", "p", "pre", "ul"}
_TABLES = {"table", "tbody", "td", "th", "thead", "tr"}


def is_name(name: str) -> bool:
    """Tell whether this can be the name of a help page, and no path."""
    return _NAME.fullmatch(name) is not None


def html(text: str) -> str:
    """Turn Markdown into HTML that holds plain text tags and links alone, no script, style or picture."""
    made = markdown.markdown(text, extensions=["tables", "def_list", "fenced_code", "toc"], output_format="html")
    ids = {"h1": {"id"}, "h2": {"id"}, "h3": {"id"}, "h4": {"id"}, "a": {"href"}}
    return nh3.clean(made, tags=_INLINE | _BLOCKS | _TABLES, attributes=ids, url_schemes={"http", "https", "mailto"})


def title(text: str, name: str) -> str:
    """Give the first heading of a Markdown text, else the page's name."""
    match = re.search(r"^# +(.+?) *#*$", text, re.MULTILINE)
    return match[1] if match else name
