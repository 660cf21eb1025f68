"""Fixtures every test may ask for."""

from tests.support.city import huaihua
from tests.support.running import running_city
from tests.support.spine import condition, media, people

__all__ = ["condition", "huaihua", "media", "people", "running_city"]
