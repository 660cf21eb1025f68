"""Start, stop, test and back up a city on one machine; run by the system's Python, no packages."""
