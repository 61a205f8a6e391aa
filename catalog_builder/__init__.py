"""A static catalogue of a beamline's beamtimes, datasets and scans, with search, access control and a cart."""
