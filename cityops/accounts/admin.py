"""Users, roles, tokens and locks, for superusers only."""

import secrets
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from cityops.accounts.models import ApiToken, Grant, SignInLock, User


class ForSuperusers(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Who may edit users could make themselves anything, so only superusers may."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the section to superusers."""
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers look."""
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let superusers add."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers change."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers delete."""
        return bool(request.user.is_superuser)


class GrantInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """The roles of one user."""

    model = Grant
    extra = 0


@admin.register(User)
class UserAdmin(ForSuperusers):
    """Users; a new one cannot sign in before the reset action gave a temporary password."""

    list_display = ("username", "name", "is_active", "is_staff", "must_change_password", "is_demo")
    list_filter = ("is_active", "is_staff", "is_demo", "grant__role")
    search_fields = ("username", "name")
    fields = ("username", "name", "is_active", "is_staff", "is_superuser")
    inlines = (GrantInline,)
    actions = ("reset_password",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: the ledger names users; one who leaves is made inactive."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: User,
        form: Any,
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        """Give a new user no usable password."""
        if not change:
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)

    @admin.action(description=_("Reset the password"), permissions=["change"])
    def reset_password(self, request: HttpRequest, queryset: QuerySet[User]) -> TemplateResponse:
        """Show a temporary password for each chosen user, once.

        Rendered at once and never stored: a message would travel in a cookie. The admin site
        itself forbids caches to keep its pages.
        """
        rows = [(user, _give_temporary_password(user)) for user in queryset.order_by("pk")]
        for user, _password in rows:
            self.log_change(request, user, "password reset")
        context = {**self.admin_site.each_context(request), "rows": rows, "opts": self.opts}
        return TemplateResponse(request, "accounts/reset_passwords.html", context)


@transaction.atomic
def _give_temporary_password(user: User) -> str:
    """Set a random password that must be changed, end its tokens and lift the lock."""
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.must_change_password = True
    user.save(update_fields=["password", "must_change_password"])
    ApiToken.objects.filter(user=user).delete()
    SignInLock.objects.forget(user.username)
    return password


@admin.register(Grant)
class GrantAdmin(ForSuperusers):
    """Roles with their scopes."""

    list_display = ("user", "role", "scope_kind", "scope_key")
    list_filter = ("role", "scope_kind")
    search_fields = ("user__username", "scope_key")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)


@admin.register(ApiToken)
class ApiTokenAdmin(ForSuperusers):
    """Tokens: seen and withdrawn here, made by the `token` command."""

    list_display = ("user", "created_at")
    search_fields = ("user__username",)
    list_select_related = ("user",)
    fields = readonly_fields = ("user", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: only the command can show the token."""
        return False


@admin.register(SignInLock)
class SignInLockAdmin(ForSuperusers):
    """Failed sign-ins; deleting a row lifts the lock."""

    list_display = ("username", "tries", "locked_until", "tried_at")
    search_fields = ("username",)
    readonly_fields = ("username", "tries", "locked_until", "tried_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: failed sign-ins make them."""
        return False
