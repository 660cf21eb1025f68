"""Users, the roles they hold, API tokens and the lock after failed sign-ins."""

import hashlib
import secrets
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Self

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import JSONObject, Now
from django.utils.translation import gettext_lazy as _

from cityops.accounts.roles import COMMAND_CENTRE, SUPERVISION_CENTRE, Role, ScopeKind


class UserManager(BaseUserManager["User"]):
    """Creates users; `with_grants` reads a user and all roles in one statement."""

    def with_grants(self) -> models.QuerySet["User"]:
        """Return users carrying `grant_rows`, which `User.grants` reads without another query."""
        rows = Grant.objects.filter(user=models.OuterRef("pk")).order_by("pk")
        row = JSONObject(role="role", scope_kind="scope_kind", scope_key="scope_key", grids="grids")
        return self.annotate(grant_rows=ArraySubquery(rows.values(row=row)))

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user; without a password the account cannot sign in."""
        user = self.model(username=self.model.normalize_username(username), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Create an administrator with every permission of the admin site."""
        user = self.create_user(username, password, is_staff=True, is_superuser=True, **fields)
        Grant.objects.create(user=user, role=Role.ADMIN, scope_kind=ScopeKind.CITY)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in. What they may do stands in their grants."""

    username = models.CharField(_("user name"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=60)
    is_staff = models.BooleanField(_("may use the admin site"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    is_demo = models.BooleanField(_("demo account"), default=False)
    must_change_password = models.BooleanField(_("must change password"), default=False)
    date_joined = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def __str__(self) -> str:
        return f"{self.name} ({self.username})"

    @cached_property
    def grants(self) -> list["Grant"]:
        """All roles with their scopes; no query when read through `with_grants`."""
        rows = self.__dict__.get("grant_rows")
        if rows is None:
            return list(self.grant_set.order_by("pk"))
        return [Grant(user_id=self.pk, **row) for row in rows]

    @cached_property
    def roles(self) -> frozenset[Role]:
        """Every role held anywhere."""
        return frozenset(Role(grant.role) for grant in self.grants)

    def holds(self, *roles: Role) -> bool:
        """Whether one of `roles` is held anywhere."""
        return not self.roles.isdisjoint(roles)


class Grant(models.Model):
    """A role within a scope: whole city, one district, one unit, or own responsibility grids."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)
    scope_kind = models.CharField(_("scope"), max_length=10, choices=ScopeKind.choices)
    scope_key = models.CharField(
        _("district slug or unit code"),
        max_length=60,
        blank=True,
        help_text=_("empty for the whole city"),
    )
    grids = ArrayField(
        models.CharField(max_length=15),
        verbose_name=_("grid cells"),
        default=list,
        blank=True,
        help_text=_("leading digits of the grid cells: 9 for a street, 12 a community, 15 a cell"),
    )
    centre = models.GeneratedField(
        expression=models.Case(
            models.When(role__in=sorted(SUPERVISION_CENTRE), then=models.Value("supervision")),
            models.When(role__in=sorted(COMMAND_CENTRE), then=models.Value("command")),
            default=None,
            output_field=models.CharField(max_length=12),
        ),
        output_field=models.CharField(max_length=12, null=True),
        db_persist=True,
    )

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role", "scope_kind", "scope_key"], name="grant_once"
            ),
            models.CheckConstraint(
                condition=models.Q(scope_kind="city", scope_key="")
                | (
                    models.Q(scope_kind__in=["district", "unit", "grids"]) & ~models.Q(scope_key="")
                ),
                name="grant_scope_named",
                violation_error_message=_(
                    "Name the district or unit; leave it empty for the city."
                ),
            ),
            ExclusionConstraint(
                name="grant_one_centre",
                expressions=[("user", "="), ("centre", "<>")],
                condition=models.Q(centre__isnull=False),
                violation_error_message=_(
                    "One user never holds a supervision-centre and a command-centre role."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} / {self.get_scope_kind_display()} {self.scope_key}"


class ApiToken(models.Model):
    """A bearer token; only its SHA-256 is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    digest = models.BinaryField(_("SHA-256 of the token"), max_length=32, unique=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%Y-%m-%d}"

    @classmethod
    def issue(cls, user: User) -> str:
        """Make a token for `user` and return it; it cannot be read again."""
        token = secrets.token_urlsafe(32)
        cls.objects.create(user=user, digest=cls.digest_of(token))
        return token

    @staticmethod
    def digest_of(token: str) -> bytes:
        """Return the 32 bytes a token is found by."""
        return hashlib.sha256(token.encode()).digest()


class SignInLockQuerySet(models.QuerySet["SignInLock"]):
    """Counting failed sign-ins so that parallel tries cannot slip through."""

    def forget(self, username: str) -> None:
        """Clear the count after a successful sign-in."""
        self.filter(username=username.lower()[:60]).delete()

    def active(self, *, at: datetime) -> Self:
        """Keep locks still in force at `at`."""
        return self.filter(locked_until__gt=at)

    def untouched_since(self, at: datetime) -> Self:
        """Keep names nobody has tried since `at`: known ones too, or the rest would be told apart.

        A lock is far shorter than any such time, so none of these is in force.
        """
        return self.filter(tried_at__lt=at)


class SignInLock(models.Model):
    """Failed sign-ins of one user name, known or not; counted before the password is looked at."""

    LIMIT = 5
    LOCK_SECONDS = 300

    username = models.CharField(max_length=60, primary_key=True)
    tries = models.PositiveIntegerField(default=0)
    locked_until = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(db_default=Now())  # last; a day later the count is forgotten

    objects = SignInLockQuerySet.as_manager()

    class Meta:
        verbose_name = _("sign-in lock")
        verbose_name_plural = _("sign-in locks")

    def __str__(self) -> str:
        return f"{self.username}: {self.tries}"
