"""Resetting a password, and what ends with it; whose accounts the demo may take."""

import re

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from cityops.accounts.models import ApiToken, Grant, SignInLock, User
from cityops.accounts.roles import Role
from cityops.accounts.sessions import signed_in
from tests.support.people import person

PASSWORD = "a-long-enough-word"


@pytest.fixture
def user(db):
    user = person("someone", Role.ACCEPTOR)
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def reset(user):
    """Reset the user's password in the admin site and return the page."""
    admin = Client()
    admin.force_login(User.objects.create_superuser("root", name="root"))

    def act():
        data = {"action": "reset_password", "_selected_action": [user.pk]}
        return admin.post("/admin/accounts/user/", data)

    return act


def test_reset_shows_a_password_that_must_be_changed(client, user, reset):
    page = reset()
    password = re.search(r"<code>(.+?)</code>", page.content.decode()).group(1)
    client.post("/sign-in/", {"username": "someone", "password": password})

    assert "no-store" in page["cache-control"]
    assert client.get("/")["location"] == "/password/"


def test_reset_lifts_the_lock_and_ends_tokens(client, user, reset):
    ApiToken.issue(user)
    for _ in range(6):
        client.post("/sign-in/", {"username": "someone", "password": "wrong"})
    reset()

    assert not SignInLock.objects.exists()
    assert not ApiToken.objects.exists()


def test_reset_ends_an_open_socket(client, user, reset):
    client.force_login(user)
    key = client.session.session_key

    assert signed_in(key, user.pk) == user
    reset()
    User.objects.update(must_change_password=False)
    assert signed_in(key, user.pk) is None


def test_a_session_belongs_to_one_user(client, user):
    other = person("other", Role.LEADER)
    client.force_login(user)

    assert signed_in(client.session.session_key, other.pk) is None


def test_staff_without_superuser_cannot_reset(client, user):
    clerk = person("clerk", Role.ADMIN)
    User.objects.filter(pk=clerk.pk).update(is_staff=True)
    client.force_login(clerk)

    assert client.get("/admin/accounts/user/").status_code == 403


@pytest.mark.parametrize("model", ["user", "grant", "apitoken", "signinlock"])
def test_admin_lists_open(admin_client, model):
    assert admin_client.get(f"/admin/accounts/{model}/").status_code == 200


def test_token_waits_for_the_new_password(client, user):
    token = ApiToken.issue(user)
    User.objects.update(must_change_password=True)

    answer = client.get("/api/v1/cases/", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 401


def test_new_password_differs_from_the_present_one(client, user):
    User.objects.update(must_change_password=True)
    client.force_login(user)
    same = {"old_password": PASSWORD, "new_password1": PASSWORD, "new_password2": PASSWORD}
    client.post("/password/", same)

    assert User.objects.get().must_change_password


def test_refused_form_answers_with_our_page(db):
    answer = Client(enforce_csrf_checks=True).post("/sign-in/", {"username": "x"})

    assert answer.status_code == 403
    assert "This form is too old." in answer.content.decode()


def test_desk_with_an_old_token_is_told_beside_the_form(db):
    client = Client(enforce_csrf_checks=True, headers={"HX-Request": "true"})

    answer = client.post("/sign-in/", {"username": "x"})

    assert answer.status_code == 403
    assert (answer["HX-Retarget"], answer["HX-Trigger"]) == ("#said", "token-is-old")
    text = answer.content.decode()
    assert text.startswith('<p class="error"')
    assert "send it once more" in text


@pytest.fixture
def demo(settings, tmp_path, huaihua, db):
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")


def test_demo_never_takes_a_real_account(demo):
    User.objects.create_superuser("admin", PASSWORD, name="admin")

    with pytest.raises(CommandError, match="own account"):
        call_command("demo_users", "--create")

    assert User.objects.get().check_password(PASSWORD)


def test_demo_accounts_come_back_as_they_were(demo):
    call_command("demo_users", "--create")
    leader = User.objects.get(username="leader1")
    User.objects.filter(pk=leader.pk).update(is_active=False)
    Grant.objects.create(user=leader, role=Role.ADMIN, scope_kind="city")
    call_command("demo_users", "--create")

    assert User.objects.get(username="leader1").is_active
    assert [grant.role for grant in leader.grant_set.all()] == [Role.LEADER]
