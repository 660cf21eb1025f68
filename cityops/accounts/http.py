"""The request type of signed-in views."""

from django.http import HttpRequest

from cityops.accounts.models import User


class UserRequest(HttpRequest):
    """A request whose user is signed in."""

    user: User
