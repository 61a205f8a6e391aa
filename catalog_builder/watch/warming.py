"""Making workers ready before the first file comes: what they import and set up once takes seconds.

Knows what taking in a source uses; takes nothing in.
"""

import numpy as np

from catalog_builder import commands, previews
from catalog_builder.executors import Crew
from catalog_builder.intake import take_in
from catalog_builder.readers import READERS
from catalog_builder.signals import Column, Reading, choose

WARMED = 2
"""Workers that are made ready; a beamline seldom ends more scans at once."""


def warm(crew: Crew, workers: int) -> None:
    """Make some of a crew's workers ready."""
    for _ in crew.run(_ready, range(min(workers, WARMED))):
        pass


def _ready(number: int) -> str:
    """Load the readers and draw something, in a worker."""
    for name in READERS:
        READERS.get(name)
    values = np.arange(1.0, 6.0) ** 3
    reading = Reading(columns=(Column(name="om", values=values), Column(name="det", values=values)))
    command = commands.parse("ascan om 0 4 4 1")
    previews.draw(reading, command, choose(reading, command), str(number))
    return take_in.__name__
