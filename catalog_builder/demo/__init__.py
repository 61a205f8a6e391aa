"""The demo beamline: small real-format files of invented measurements, to try the catalogue on.

Knows how such files are written; does not know how the catalogue reads them.
"""

from catalog_builder.demo.beamline import Account, Beamline, send_to_tape, settings_yaml, write_beamline

__all__ = ["Account", "Beamline", "send_to_tape", "settings_yaml", "write_beamline"]
