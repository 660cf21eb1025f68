"""The request type of signed-in views, and the address a request comes from."""

from ipaddress import IPv6Address, ip_address

from django.http import HttpRequest

from cityops.accounts.models import User


class UserRequest(HttpRequest):
    """A request whose user is signed in."""

    user: User


def client_address(request: HttpRequest) -> str:
    """Return the address of the browser, empty when it is not known.

    nginx stands on this machine and always writes X-Forwarded-For anew (deploy/nginx.conf), so it
    is believed to a peer of this machine and to no other.
    """
    peer = _plain(request.META.get("REMOTE_ADDR", ""))
    if not peer or not ip_address(peer).is_loopback:
        return peer
    told = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return _plain(told.rpartition(",")[2].strip()) if told else peer


def _plain(text: str) -> str:
    """Return an address in its usual form, an IPv4 one written as IPv6 as IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
