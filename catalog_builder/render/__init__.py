"""The render room: records and answers become HTML and JSON.

Knows templates, their addresses and words; does not know where records lie, who may see a page, or the network.
"""

from catalog_builder.render.environment import digest
from catalog_builder.render.renderer import Page, Renderer
from catalog_builder.render.shapes import PER_PAGE, BeamtimeCard, CartLine

__all__ = ["PER_PAGE", "BeamtimeCard", "CartLine", "Page", "Renderer", "digest"]
