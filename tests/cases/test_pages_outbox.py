"""The outbox page and the service worker as the server gives them."""

import json
import re

import pytest

from cases.models import Unit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def test_the_outbox_brings_every_word_it_may_need_without_a_line(client, people):
    client.force_login(people.inspector)

    page = client.get("/m/outbox/", headers={"Accept-Language": "zh-hans"}).content.decode()

    text = re.search(r'<script id="outbox-words" type="application/json">(.*?)</script>', page)
    words = json.loads(text[1])
    assert words["stages"]["checking"] == "核查中"
    assert words["actions"]["reassign"] == "改派"
    assert words["units"] == {unit.pk: unit.name_zh for unit in Unit.objects.all()}
    assert 'id="queue-chip"' in page
    assert f'data-user="{people.inspector.username}"' in page


def test_the_worker_stands_where_its_scope_is_and_in_no_cache(client):
    answer = client.get("/m/sw.js")

    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert b'addEventListener("fetch"' in answer.content
