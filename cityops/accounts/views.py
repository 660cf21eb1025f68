"""Sign-in, own password, and the way home."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cityops.accounts.context import pages_of
from cityops.accounts.models import SignInLock, User

# One demo account a post, in the order they are made and the sign-in page shows them; a unit and
# its head are those of the demo city's busiest.
DEMO_NAMES = (
    "inspector1",
    "acceptor1",
    "chief1",
    "dispatcher1",
    "operator1",
    "supervisor1",
    "assessor1",
    "leader1",
    "admin",
    "unit-hecheng-urban-management",
    "head-hecheng-urban-management",
)


class SignInForm(AuthenticationForm):
    """Never tells whether name or password was wrong; a locked name says how long to wait."""

    error_messages = {
        "invalid_login": gettext_lazy("User name or password is wrong."),
        "inactive": gettext_lazy("User name or password is wrong."),
    }

    def get_invalid_login_error(self) -> Any:
        """Return the error of a refused sign-in, with the wait while the name is locked."""
        name = self.cleaned_data.get("username", "").lower()[:60]
        lock = SignInLock.objects.active(at=timezone.now()).filter(username=name).first()
        error = super().get_invalid_login_error()
        if lock is not None and lock.locked_until is not None:
            minutes = int((lock.locked_until - timezone.now()).total_seconds() // 60) + 1
            error.message = _("Too many failed tries. Wait %(minutes)d minutes.")
            error.params = {"minutes": minutes}
        return error


class SignIn(LoginView):
    """The sign-in page; shows the demo accounts only in a demo city."""

    http_method_names = ["get", "head", "post", "options"]
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the demo accounts."""
        return super().get_context_data(demo=_demo_accounts(), **kwargs)


def _demo_accounts() -> dict[str, Any] | None:
    """Return names and password of the demo accounts; None in a real city."""
    if not settings.DEMO or not settings.DEMO_PASSWORD_FILE.exists():
        return None
    users = User.objects.filter(is_demo=True, username__in=DEMO_NAMES).order_by("pk")
    return {"password": settings.DEMO_PASSWORD_FILE.read_text().strip(), "users": users}


class ChangePasswordForm(PasswordChangeForm):
    """Refuses the old password as the new one: a reset would otherwise change nothing."""

    def clean_new_password1(self) -> str:
        """Return the new password."""
        password = str(self.cleaned_data["new_password1"])
        if self.user.check_password(password):
            raise ValidationError(_("Choose a password other than the present one."))
        return password


class ChangePassword(PasswordChangeView):
    """A user's own password."""

    http_method_names = ["get", "head", "post", "options"]
    form_class = ChangePasswordForm
    template_name = "accounts/change_password.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: Any) -> HttpResponse:
        """Keep the new password; a reset no longer waits for it."""
        form.user.must_change_password = False
        return super().form_valid(form)


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Go to the page this user works at; show what they hold where there is none."""
    pages = pages_of(request.user)
    if pages and "who" not in request.GET:
        return redirect(pages[0].address)
    return render(request, "accounts/home.html")
