"""Watching beamtimes while they are measured: what changes on disk is in the catalogue moments later.

Knows how files announce themselves and when they are ripe; what is done about them is ``build``'s.
"""

from catalog_builder.watch.watching import watch

__all__ = ["watch"]
