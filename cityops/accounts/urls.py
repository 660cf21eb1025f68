"""Addresses of sign-in, sign-out, password and home."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from cityops.accounts import views

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.SignIn.as_view(), name="sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("password/", views.ChangePassword.as_view(), name="change_password"),
]
