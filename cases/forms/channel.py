"""The form of a channel out of the city."""

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from cases.choices import CITY
from cases.models import Channel, ChannelSecret, District
from cases.services.outside import Failed
from cases.services.post import require_allowed


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A channel as the administrator edits it; its secret goes in and never comes out."""

    SHORTEST = 16  # of a secret that signs

    secret = forms.CharField(
        label=_("Key or secret"),
        max_length=300,
        required=False,
        strip=True,
        widget=forms.PasswordInput({"autocomplete": "new-password", "class": "vTextField"}),
        help_text=_(
            "A robot's address as it was given out, of DingTalk with its signing secret after a "
            "comma; for other systems 16 characters or more to sign with. Leave empty to keep it."
        ),
    )

    class Meta:
        model = Channel
        fields = ("name", "kind", "scope", "unit", "audience", "only_loud", "address", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = {district.pk: district.name for district in District.objects.order_by("pk")}
        scope = cast("forms.ChoiceField", self.fields["scope"])
        scope.choices = [(CITY, _("whole city")), *names.items()]

    def clean(self) -> dict[str, Any]:
        """Check that the address and the secret are of the kind."""
        said = super().clean() or self.cleaned_data
        kind, address, secret = (said.get(name, "") for name in ("kind", "address", "secret"))
        if kind in Channel.SYSTEMS:
            self._check_system(address, secret)
        elif kind == Channel.Kind.MAIL:
            self._check_mail(address, secret)
        elif address:
            self.add_error("address", _("A robot has no address but its key: leave this empty."))
        keeps = self.instance.pk and ChannelSecret.objects.filter(pk=self.instance.pk).exists()
        if kind and kind != Channel.Kind.MAIL and not secret and not keeps:
            self.add_error("secret", _("Without it nothing can be sent."))
        return said

    def _check_system(self, address: str, secret: str) -> None:
        try:
            require_allowed(address)
        except Failed:
            self.add_error(
                "address",
                _("Write https://…; CITYOPS_OUTSIDE_HOSTS on the server must name the host."),
            )
        if secret and len(secret) < self.SHORTEST:
            self.add_error("secret", _("Take 16 characters or more."))

    def _check_mail(self, address: str, secret: str) -> None:
        try:
            validate_email(address)
        except ValidationError:
            self.add_error("address", _("Write one mail address."))
        if secret:
            self.add_error("secret", _("Mail needs none: CITYOPS_MAIL on the server holds it."))
