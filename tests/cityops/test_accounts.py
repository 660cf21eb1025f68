"""Sign-in, lock-out, own password, demo accounts."""

import json
import re

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from cases.models import Area, Unit
from cases.selectors.place import locate
from cityops.accounts.models import ApiToken, Grant, SignInLock, User
from cityops.accounts.roles import Role, ScopeKind
from tests.support.people import person

PASSWORD = "a-long-enough-word"


@pytest.fixture
def user(db):
    user = person("someone", Role.ACCEPTOR)
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(client, username="someone", password=PASSWORD):
    return client.post("/sign-in/", {"username": username, "password": password})


def test_sign_in_leads_home(client, user):
    answer = sign_in(client)

    assert (answer.status_code, answer["location"]) == (302, "/")
    assert client.get("/?who").status_code == 200


@pytest.mark.parametrize("username", ["someone", "nobody"])
def test_refusal_does_not_tell_which_was_wrong(client, user, username):
    answer = sign_in(client, username, "wrong")

    assert answer.status_code == 200
    assert "User name or password is wrong." in str(answer.context["form"].errors)
    assert client.get("/?who").status_code == 302


def test_sixth_try_is_not_looked_at(client, user):
    for _ in range(5):
        sign_in(client, password="wrong")

    answer = sign_in(client)

    assert client.get("/?who").status_code == 302
    assert "Too many failed tries" in str(answer.context["form"].errors)


def test_fifth_failure_says_that_the_name_is_locked(client, user):
    said = [str(sign_in(client, password="wrong").context["form"].errors) for _ in range(5)]

    assert ["Too many failed tries" in words for words in said] == [False] * 4 + [True]


def test_success_forgets_failed_tries(client, user):
    for _ in range(4):
        sign_in(client, password="wrong")
    sign_in(client)

    assert SignInLock.objects.count() == 0


def test_reset_password_must_be_changed_first(client, user):
    User.objects.update(must_change_password=True)
    client.force_login(user)

    assert client.get("/")["location"] == "/password/"
    client.post(
        "/password/",
        {
            "old_password": PASSWORD,
            "new_password1": "another-long-word",
            "new_password2": "another-long-word",
        },
    )
    assert client.get("/?who").status_code == 200


def test_nobody_holds_roles_of_both_centres(user):
    grant = Grant(user=user, role=Role.DISPATCHER, scope_kind=ScopeKind.CITY)

    with pytest.raises(ValidationError, match="never holds"):
        grant.validate_constraints()


def test_token_command_prints_a_token_that_works(client, user, capsys):
    call_command("token", "someone")
    token = capsys.readouterr().out.strip()

    answer = client.get("/api/v1/cases/", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 200
    assert bytes(ApiToken.objects.get().digest) == ApiToken.digest_of(token)


def test_unknown_token_is_refused(client, db):
    answer = client.get("/api/v1/cases/", headers={"authorization": "Bearer nonsense"})

    assert answer.status_code == 401
    assert answer.json()["code"] == "authentication_failed"


@pytest.fixture
def demo(settings, tmp_path, huaihua, db):
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")


def test_demo_users_are_made_once(demo, client, capsys):
    call_command("demo_users", "--create", "--json")
    first = json.loads(capsys.readouterr().out)
    call_command("demo_users", "--create", "--json")
    again = json.loads(capsys.readouterr().out)

    names = [row["username"] for row in first]
    assert again == first
    assert len(names) == len(set(names)) == 12 + 9 + 16 + 79 + 79 + 4
    assert sign_in(client, "inspector1", "the-demo-password").status_code == 302


def test_demo_city_has_a_stranger_to_audit_and_a_head_in_every_unit(demo):
    call_command("demo_users", "--create")

    inspectors = Grant.objects.filter(role=Role.INSPECTOR).order_by("user__pk")
    shares = {one.user.username: one.grids for one in inspectors.select_related("user")}
    assert list(shares) == [f"inspector{n}" for n in range(1, 13)]
    assert len({code for share in shares.values() for code in share}) == 278
    heads = Grant.objects.filter(role=Role.UNIT_HEAD).values_list("scope_key", flat=True)
    assert sorted(heads) == sorted(Unit.objects.values_list("pk", flat=True))
    near = {name: {district_of(code) for code in share} for name, share in shares.items()}
    pairs = ["hecheng", "hightech", "landport", "zhongfang"]
    numbered = [district for district in pairs for _ in range(2)] + pairs
    assert list(near.values()) == [{district} for district in numbered]


def district_of(community):
    label = Area.objects.get(level="community", code=community).label
    return locate(label.x, label.y).district


def test_demo_accounts_are_shown_in_a_demo_only(demo, client, settings):
    call_command("demo_users", "--create")
    shown = client.get("/sign-in/").content.decode()
    settings.DEMO = False
    hidden = client.get("/sign-in/").content.decode()

    assert "the-demo-password" in shown
    assert "the-demo-password" not in hidden


def test_demo_users_are_refused_in_a_real_city(db, settings):
    settings.DEMO = False

    with pytest.raises(CommandError, match="real city"):
        call_command("demo_users", "--create")

    assert User.objects.count() == 0


@pytest.mark.parametrize(
    ("role", "scope", "start"),
    [
        (Role.INSPECTOR, "", "/m/"),
        (Role.OPERATOR, "", "/m/report/"),
        (Role.DISPATCHER, "zhongfang", "/desk/"),
        (Role.LEADER, "", "/score/leader/"),
        (Role.ADMIN, "", "/desk/"),
    ],
)
def test_home_is_the_page_one_works_at(client, db, role, scope, start):
    client.force_login(person("p", role, scope))

    assert client.get("/")["location"] == start


def test_demo_account_signs_in_with_its_own_plain_form(client, db, settings, tmp_path):
    settings.DEMO_PASSWORD_FILE = tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text(PASSWORD)
    user = person("leader1", Role.LEADER)
    user.is_demo = True
    user.set_password(PASSWORD)
    user.save()

    page = client.get("/sign-in/?next=/score/").content.decode()
    form = page[page.index("leader1") :]
    said = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    answer = client.post("/sign-in/", said)

    assert form.index('<button type="submit"') < form.index("</form>")
    assert (said["username"], answer["location"]) == ("leader1", "/score/")
