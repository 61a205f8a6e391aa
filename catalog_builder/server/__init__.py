"""The server: pages, files and the API, each to those who may have it.

Knows how the catalogue is asked over HTTP; does not know how it was built.
"""

from catalog_builder.server.app import create_app
from catalog_builder.server.listening import is_free, serve

__all__ = ["create_app", "is_free", "serve"]
