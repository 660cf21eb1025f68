"""The demo accounts: people of every post, unit and district, with the home's one password."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import product

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction

from cases.models import District, Unit
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import Role, ScopeKind

# One reports, another checks, and the third may audit: he had nothing to do with the case.
INSPECTORS_PER_DISTRICT = 3
_FIRST_INSPECTORS = 2  # of each district are numbered before the others, as they always were
# The posts a district has of its own, by the first word of the account's name.
_DISTRICT_POSTS = {
    "acceptor": ("受理员", Role.ACCEPTOR),
    "chief": ("值班长", Role.DUTY_CHIEF),
    "dispatcher": ("派遣员", Role.DISPATCHER),
    "supervisor": ("督查员", Role.SUPERVISOR),
}


class DemoOffError(Exception):
    """No demo accounts can be made; the message says why."""


@dataclass(frozen=True)
class Account:
    """A demo account to be."""

    username: str
    name: str
    role: Role
    scope_kind: ScopeKind = ScopeKind.CITY
    scope_key: str = ""
    grids: list[str] = field(default_factory=list)


def demo_password() -> str:
    """Return the demo password. Raises DemoOffError with the reason when there is none."""
    if not settings.DEMO:
        raise DemoOffError("This is a real city (CITYOPS_DEMO is off): it has no demo accounts.")
    try:
        return str(settings.DEMO_PASSWORD_FILE.read_text().strip())
    except OSError:
        reason = f"There is no {settings.DEMO_PASSWORD_FILE.name} in the home; deploy/up makes it."
        raise DemoOffError(reason) from None


def demo_accounts() -> list[Account]:
    """Return every demo account the loaded city needs."""
    city = [
        Account("acceptor1", "受理员1", Role.ACCEPTOR),
        Account("chief1", "值班长1", Role.DUTY_CHIEF),
        Account("dispatcher1", "派遣员1", Role.DISPATCHER),
        Account("operator1", "坐席1", Role.OPERATOR),
        Account("supervisor1", "督查员1", Role.SUPERVISOR),
        Account("assessor1", "考核员1", Role.ASSESSOR),
        Account("assessor2", "考核员2", Role.ASSESSOR),  # decides on what the first proposes
        Account("leader1", "领导1", Role.LEADER),
        Account("admin", "管理员", Role.ADMIN),
    ]
    return [*_inspectors(), *city, *_of_districts(), *_of_units()]


def _of_districts() -> list[Account]:
    """Return the posts of the districts."""
    return [
        Account(
            f"{word}-{district.pk}",
            f"{district.name_zh}{title}",
            role,
            ScopeKind.DISTRICT,
            district.pk,
        )
        for word, (title, role) in _DISTRICT_POSTS.items()
        for district in District.objects.order_by("pk")
    ]


def _of_units() -> list[Account]:
    """Return a person and a head of each unit, and a second person where sub-units belong to it."""
    units = list(Unit.objects.filter(is_active=True).order_by("pk"))
    parents = {unit.parent_id for unit in units}
    people = [("unit", "", Role.UNIT, unit) for unit in units]
    people += [("head", "负责人", Role.UNIT_HEAD, unit) for unit in units]
    people += [("handler", "经办员", Role.UNIT, unit) for unit in units if unit.pk in parents]
    return [
        Account(f"{word}-{unit.pk}", unit.name_zh[:50] + title, role, ScopeKind.UNIT, unit.pk)
        for word, title, role, unit in people
    ]


def _inspectors() -> list[Account]:
    """Share the communities of each district among its inspectors; too few are held by all."""
    communities: dict[str, list[str]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT d.district_id FROM cases_area d
                    WHERE d.level = 'district' AND upper_inf(d.valid)
                      AND ST_Covers(d.geom, c.label)
                    ORDER BY d.precedence DESC LIMIT 1), c.code
            FROM cases_area c WHERE c.level = 'community' AND upper_inf(c.valid) ORDER BY c.code
            """
        )
        for district, code in cursor.fetchall():
            communities[district or ""].append(code)
    order = sorted(
        product(sorted(communities), range(INSPECTORS_PER_DISTRICT)),
        key=lambda one: one[1] >= _FIRST_INSPECTORS,
    )
    shares = [
        communities[district][part::INSPECTORS_PER_DISTRICT] or communities[district]
        for district, part in order
    ]
    return [
        Account(
            f"inspector{number}",
            f"网格员{number}",
            Role.INSPECTOR,
            ScopeKind.GRIDS,
            "own",
            share,
        )
        for number, share in enumerate(shares, start=1)
    ]


@transaction.atomic
def create_demo_users() -> int:
    """Make the demo accounts that are missing and give all the demo password; returns how many.

    Repeatable. The password is hashed once: scrypt is slow on purpose, and the password is one.
    """
    hashed = make_password(demo_password())
    accounts = demo_accounts()
    names = [account.username for account in accounts]
    real = User.objects.filter(username__in=names, is_demo=False).values_list("username", flat=True)
    if taken := sorted(real):
        raise DemoOffError(f"Somebody's own account has the name of a demo one: {taken[0]}.")
    for account in accounts:
        is_admin = account.role == Role.ADMIN
        user, _ = User.objects.update_or_create(
            username=account.username,
            defaults={
                "name": account.name,
                "password": hashed,
                "is_demo": True,
                "is_active": True,
                "is_staff": is_admin,
                "is_superuser": is_admin,
                "must_change_password": False,
            },
        )
        grant, _ = Grant.objects.update_or_create(
            user=user,
            role=account.role,
            scope_kind=account.scope_kind,
            scope_key=account.scope_key,
            defaults={"grids": account.grids},
        )
        user.grant_set.exclude(pk=grant.pk).delete()
    return len(accounts)
