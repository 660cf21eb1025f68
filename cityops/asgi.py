"""ASGI entry of the live process: sockets and long polls. nginx sends it /ws/ and /live/ only."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cityops.settings")
_http = get_asgi_application()  # first: it makes the models importable

from cases.sockets import websocket_urlpatterns  # noqa: E402  # needs the models

application = ProtocolTypeRouter(
    {
        "http": _http,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
        ),
    }
)
