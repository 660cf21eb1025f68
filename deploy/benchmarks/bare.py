"""The limit of creating over HTTP: a Django without anything, one INSERT a request.

`deploy.benchmarks.bare:application`, served by the same server with as many workers and threads.
"""

import os

import environ
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY=os.environ["SECRET_KEY"],
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    DATABASES={
        "default": {**environ.Env().db_url("DATABASE_URL"), "CONN_MAX_AGE": 300},
    },
)


def insert(request: HttpRequest) -> HttpResponse:
    """Insert one row."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_bare (body) VALUES (%s)", [request.body.decode()])
    return HttpResponse("{}", content_type="application/json")


urlpatterns = [path("insert", insert)]
application = get_wsgi_application()
