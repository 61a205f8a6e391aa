"""The files that ship with the package: templates, assets, the model of a configuration.

Knows where they lie in a wheel and in a checkout; does not know what is in them.
"""

from pathlib import Path

from catalog_builder.errors import CatalogError

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Give a shipped file or folder (``templates``, ``assets``, ``site_config.yaml``).

    In a wheel it lies in ``catalog_builder/shipped``, in a checkout at the top.
    """
    for place in (_PACKAGE / "shipped", _PACKAGE.parent):
        if (place / name).exists():
            return place / name
    raise CatalogError(f"{name!r} is missing from this installation", remedy="install catalog-builder again")
