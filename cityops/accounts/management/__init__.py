"""Management commands and their package."""
