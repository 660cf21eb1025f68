"""`Authorization: Bearer …` for programs."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from cityops.accounts.models import ApiToken, User


class BearerAuthentication(BaseAuthentication):
    """Finds the user of an API token, with all roles, in one statement."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        """Return (user, "token"); None when the header is absent or of another scheme."""
        scheme, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        user = (
            User.objects.with_grants()
            .filter(
                apitoken__digest=ApiToken.digest_of(token.strip()),
                is_active=True,
                must_change_password=False,
            )
            .first()
        )
        if user is None:
            raise AuthenticationFailed("The API token is unknown or its user is disabled.")
        return user, "token"

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in a 401."""
        return "Bearer"


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its metaclass is untyped
    """Names the bearer token in the OpenAPI schema."""

    target_class = "cityops.accounts.tokens.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer"}
