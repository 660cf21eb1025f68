"""Addresses of the WebSockets."""

from typing import Any

from django.urls import path

from cases.consumers import LiveConsumer

websocket_urlpatterns: list[Any] = [
    path("ws/live/", LiveConsumer.as_asgi()),  # type: ignore[arg-type]  # an ASGI application
]
