"""The map of today: the columns of the open cases, cards, components, and what each may read."""

import json
from itertools import product

import pytest
from django.contrib.gis.geos import Point
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as _HypothesisCase

from cases.choices import Action, Role
from cases.models import Case, Component
from cases.selectors import live_map as selector
from cases.selectors.live_map import components_in, live_map
from cases.selectors.outline import outline_within
from cases.selectors.worklist import counts
from tests.support.components import component
from tests.support.people import person
from tests.support.spine import act, dispatched, report, signed, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
