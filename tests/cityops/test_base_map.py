"""The key of the base map opens the content policy for its tiles, and only then."""

import runpy
from pathlib import Path

import pytest
from django.test import override_settings

from cases.choices import Role
from tests.support.people import person

SETTINGS = Path(__file__).resolve().parents[2] / "cityops/settings.py"
HOSTS = [f"https://t{n}.tianditu.gov.cn" for n in range(8)]


@pytest.mark.parametrize(("key", "hosts"), [("", []), ("a-key", HOSTS)])
def test_pictures_of_others_are_let_in_only_with_a_key(monkeypatch, key, hosts):
    monkeypatch.setenv("CITYOPS_TIANDITU_KEY", key)

    policy = runpy.run_path(str(SETTINGS))["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]

    assert policy["img-src"] == ["'self'", "data:", "blob:", *hosts]
    others = [source for name, found in policy.items() if name != "img-src" for source in found]
    assert [source for source in others if "tianditu" in str(source)] == []


@pytest.mark.django_db
@pytest.mark.usefixtures("huaihua")
@pytest.mark.parametrize(("key", "offered"), [("", False), ("a-key", True)])
def test_the_desk_offers_a_base_map_only_with_a_key(client, key, offered):
    client.force_login(person("d1", Role.DISPATCHER))

    with override_settings(TIANDITU_KEY=key):
        page = client.get("/desk/").content.decode()

    assert (f'data-tianditu="{key}"' in page) is True
    assert ('value="imagery"' in page) is offered
