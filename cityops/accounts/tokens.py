"""`Authorization: Bearer …` for programs."""

import json
from functools import cache
from typing import Any

from django.db import connection
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from psycopg import Binary
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from cityops.accounts.models import ApiToken, User


class BearerAuthentication(BaseAuthentication):
    """Finds the user of an API token, with all roles, in one statement."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        """Return (user, "token"); None when the header is absent or of another scheme."""
        if not _token_of(request):
            return None
        user = bearer_of(request._request)
        if user is None:
            raise AuthenticationFailed("The API token is unknown or its user is disabled.")
        return user, "token"

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in a 401."""
        return "Bearer"


def bearer_of(request: HttpRequest) -> User | None:
    """Return the user of the request's API token, looked up once a request."""
    found: dict[str, User | None] = vars(request)
    if _BEARER not in found:
        token = _token_of(request)
        found[_BEARER] = _user_of(token) if token else None
    return found[_BEARER]


_BEARER = "_bearer"


def _token_of(request: HttpRequest | Request) -> str:
    """Return the token of the header; empty when it is absent or of another scheme."""
    scheme, _, token = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
    return token.strip() or "-" if scheme.lower() == "bearer" else ""


def _user_of(token: str) -> User | None:
    sql, parameters = _statement()
    digest: Any = Binary(ApiToken.digest_of(token))
    with connection.cursor() as cursor:
        cursor.execute(sql, tuple(digest if isinstance(p, Binary) else p for p in parameters))
        row = cursor.fetchone()
    if row is None:
        return None
    user = User.from_db(connection.alias, [f.attname for f in User._meta.concrete_fields], row[:-1])
    vars(user)["grant_rows"] = [json.loads(grant) for grant in row[-1]]
    return user


@cache
def _statement() -> tuple[str, tuple[Any, ...]]:
    """Return the statement that finds the user of a token, built once: building takes longer."""
    found = User.objects.with_grants().filter(
        apitoken__digest=b"", is_active=True, must_change_password=False
    )
    return found.query.sql_with_params()


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its metaclass is untyped
    """Names the bearer token in the OpenAPI schema."""

    target_class = "cityops.accounts.tokens.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer"}
