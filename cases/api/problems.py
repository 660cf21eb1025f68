"""Errors of the API as RFC 9457 problem JSON with a stable `code`."""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from cases.errors import Busy, NoRoom, Refusal, TooMany, busy_of

RETRY_AFTER_S = 2


def as_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn expected errors into problem JSON; anything else stays a 500 without details."""
    if isinstance(error, OperationalError):
        error = busy_of(error, str(_("This takes too long now. Try again shortly."))) or error
    if isinstance(error, Refusal):
        body = problem_of(error)
        return Response(
            body,
            status=error.status,
            content_type="application/problem+json",
            headers=retry_headers(error),
        )
    if isinstance(error, (Http404, ObjectDoesNotExist)):
        return _problem(404, "not_found", _("There is nothing here that you may see."))
    if isinstance(error, exceptions.ValidationError):
        fields = _flat(error.detail)
        said = _("Missing or wrong: %(fields)s.") % {"fields": _(", ").join(fields)}
        return _problem(422, "invalid_input", said, fields=fields)
    if isinstance(error, (exceptions.APIException, PermissionDenied)):
        plain = exception_handler(error, context)
        assert plain is not None
        code = getattr(error, "default_code", "permission_denied")
        answer = _problem(plain.status_code, str(code), str(getattr(error, "detail", error)))
        for name, value in plain.items():
            if name.lower() in ("www-authenticate", "retry-after", "allow"):
                answer[name] = value
        return answer
    return None


def problem_of(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal as problem JSON."""
    extra = {"fields": refusal.fields} if refusal.fields else {}
    return _body(refusal.status, refusal.code, refusal.message, **extra, **refusal.extra)


def retry_headers(refusal: Refusal) -> dict[str, str]:
    """Return when to try again, where trying again may help."""
    if isinstance(refusal, (TooMany, NoRoom)):
        return {"Retry-After": str(refusal.wait_s)}
    return {"Retry-After": str(RETRY_AFTER_S)} if isinstance(refusal, Busy) else {}


def _problem(status: int, code: str, detail: str, **extra: Any) -> Response:
    body = _body(status, code, detail, **extra)
    return Response(body, status=status, content_type="application/problem+json")


def _body(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    about = {"type": f"about:blank#{code}", "title": code.replace("_", " "), "status": status}
    return about | {"code": code, "detail": detail} | extra


def _flat(detail: Any, prefix: str = "") -> dict[str, str]:
    """Return {"location.lon": "sentence"} from the framework's nested lists."""
    if isinstance(detail, dict):
        nested = (_flat(v, f"{prefix}.{k}" if prefix else str(k)) for k, v in detail.items())
        return {name: text for part in nested for name, text in part.items()}
    if isinstance(detail, list):
        return {prefix or "body": " ".join(map(str, detail))}
    return {prefix or "body": str(detail)}
