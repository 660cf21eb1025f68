"""Errors of the API as RFC 9457 problem JSON with a stable `code`."""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from cases.errors import Busy, Refusal

RETRY_AFTER_S = 2


def as_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn expected errors into problem JSON; anything else stays a 500 without details."""
    if isinstance(error, Refusal):
        extra = {"fields": error.fields} if error.fields else {}
        response = _problem(error.status, error.code, error.message, **extra, **error.extra)
        if isinstance(error, Busy):
            response["Retry-After"] = str(RETRY_AFTER_S)
        return response
    if isinstance(error, (Http404, ObjectDoesNotExist)):
        return _problem(404, "not_found", "There is nothing here that you may see.")
    if isinstance(error, exceptions.ValidationError):
        fields = _flat(error.detail)
        return _problem(422, "invalid_input", "Some inputs are missing or wrong.", fields=fields)
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


def _problem(status: int, code: str, detail: str, **extra: Any) -> Response:
    body = {"type": f"about:blank#{code}", "title": code.replace("_", " "), "status": status}
    return Response(
        body | {"code": code, "detail": detail} | extra,
        status=status,
        content_type="application/problem+json",
    )


def _flat(detail: Any, prefix: str = "") -> dict[str, str]:
    """Return {"location.lon": "sentence"} from the framework's nested lists."""
    if isinstance(detail, dict):
        nested = (_flat(v, f"{prefix}.{k}" if prefix else str(k)) for k, v in detail.items())
        return {name: text for part in nested for name, text in part.items()}
    if isinstance(detail, list):
        return {prefix or "body": " ".join(map(str, detail))}
    return {prefix or "body": str(detail)}
