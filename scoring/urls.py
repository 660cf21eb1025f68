"""Addresses of the scoring app."""

from django.urls import path

from scoring.views import Assessment

urlpatterns = [
    path("api/v1/assessments/<str:period>/", Assessment.as_view(), name="assessment"),
]
