"""Build hook: what the wheel ships beside the package and no folder of ours holds as it is."""

import filecmp
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

UPLOT = ("uPlot.iife.js", "uPlot.min.css")


class ShippedHook(BuildHookInterface[Any]):
    """Copies uPlot, out of the pinned build requirement, into ``assets/vendor``, which git ignores and the wheel ships.

    Also gives ``site_config.yaml`` its place in the wheel: hatchling's ``sources`` moves folders, not single files.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before a wheel (also an editable one) or sdist is put together."""
        spec = find_spec("uplot")
        if spec is None or not spec.submodule_search_locations:
            raise RuntimeError("the build needs uplot-python; build with isolation, as pip does")
        vendor = Path(self.root) / "assets" / "vendor"
        vendor.mkdir(parents=True, exist_ok=True)
        for name in UPLOT:
            original = Path(spec.submodule_search_locations[0]) / "static" / name
            if not (vendor / name).exists() or not filecmp.cmp(original, vendor / name, shallow=False):
                shutil.copyfile(original, vendor / name)
        if self.target_name == "wheel" and version == "standard":  # an editable install reads the checkout's own
            build_data["force_include"]["site_config.yaml"] = "catalog_builder/shipped/site_config.yaml"
