"""The fault lab: a whole city of its own, load on it, faults, and what must hold after each."""
