"""Addresses of the scoring app."""

from django.urls import path

from scoring import pages
from scoring.views import Assessment

urlpatterns = [
    path("api/v1/assessments/<str:period>/", Assessment.as_view(), name="assessment"),
    path("score/", pages.latest, name="score"),
    path("score/<str:period>/", pages.ranking, name="score_ranking"),
    path("score/<str:period>/<slug:body>/<slug:count>/", pages.members, name="score_members"),
]
