"""/live/events: the socket's twin by long poll, for networks that let no WebSocket through."""

import asyncio
import json
import time
from typing import Any

from channels.db import database_sync_to_async
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from cases.choices import SCOPES
from cases.hub import SIGNED_OUT, Listener, hub, replay
from cityops.accounts.sessions import signed_in

WAIT_S = 25


@require_safe
async def live_events(request: HttpRequest) -> JsonResponse:
    """Return what happened after the cursors, at once or as soon as something does.

    `after` = "scope:dseq,scope:dseq". Answers {"messages": […], "heads": {…}} within 25 s.
    """
    user = await database_sync_to_async(signed_in, thread_sensitive=False)(
        request.session.session_key, (await request.auser()).pk
    )
    if user is None:
        return _problem(401, "not_authenticated", "Sign in first.")
    last = _cursors(request.GET.get("after", ""))
    if last is None:
        detail = "Write `after` as scope:dseq,scope:dseq, for example hecheng:12,city:0."
        return _problem(400, "invalid_input", detail)
    listener = Listener(str(request.session.session_key), user)
    heads = await hub().join(listener)
    try:
        messages = await replay(user, last or heads, heads)
        until = time.monotonic() + WAIT_S
        while not (messages or listener.ended.is_set()) and (left := until - time.monotonic()) > 0:
            messages = await _next(listener, left)
        if listener.code == SIGNED_OUT:
            return _problem(401, "not_authenticated", "Sign in first.")
        return JsonResponse({"messages": messages, "heads": _reached(heads, messages)})
    finally:
        hub().leave(listener)


def _reached(heads: dict[str, int], messages: list[dict[str, Any]]) -> dict[str, int]:
    """Return how far the answer reaches: the cursors to ask from next time."""
    reached = dict(heads)
    for message in messages:
        if message["type"] == "resync":
            reached = dict(message["heads"])
        else:
            upto = message.get("dseq", message.get("upto", 0))
            reached[message["scope"]] = max(reached[message["scope"]], upto)
    return reached


async def _next(listener: Listener, wait_s: float) -> list[dict[str, Any]]:
    """Return the next messages of a listener, heartbeats left out; [] when none comes in time."""
    getting = asyncio.create_task(listener.queue.get())
    ending = asyncio.create_task(listener.ended.wait())
    await asyncio.wait((getting, ending), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    found = [getting.result()] if getting.done() else []
    getting.cancel()
    ending.cancel()
    while not listener.queue.empty():
        found.append(listener.queue.get_nowait())
    messages = [json.loads(text) for text in found]
    return [message for message in messages if message["type"] != "heartbeat"]


def _cursors(text: str) -> dict[str, int] | None:
    pairs = [part.partition(":") for part in text.split(",") if part]
    if all(scope in SCOPES and dseq.isdecimal() and len(dseq) < 19 for scope, _, dseq in pairs):
        return {scope: int(dseq) for scope, _, dseq in pairs}
    return None


def _problem(status: int, code: str, detail: str) -> JsonResponse:
    body = {"type": f"about:blank#{code}", "title": code.replace("_", " "), "status": status}
    return JsonResponse(
        body | {"code": code, "detail": detail},
        status=status,
        content_type="application/problem+json",
    )
