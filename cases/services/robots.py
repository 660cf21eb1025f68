"""Robots of chat groups and mail, by the plugins of apprise over connections of ours.

A plugin says yes or no and keeps the rest to itself: a refusal in the answer's body, a time-out
after the message had left. So the two things it speaks through, `requests` and `smtplib`, are
replaced in its module; what stands in raises Failed or Unknown, which passes through the plugin.
"""

import json
import logging
import smtplib
import socket
from contextlib import suppress
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from apprise.exception import AppriseImproperlyConfigured
from apprise.plugins import dingtalk, feishu, wecombot
from apprise.plugins.email import base as mail
from apprise.plugins.email import smtp
from django.conf import settings

from cases.models import Channel
from cases.services.line import Clock, connect, cut_when_over
from cases.services.outside import Failed, NotConfigured, Unknown
from cases.services.post import Answer, post

_Kind = Channel.Kind

logging.getLogger("apprise").addFilter(lambda _: False)  # it tells of keys and addresses


def tell_robot(kind: str, key: str, title: str, body: str) -> None:
    """Post a message to the group of a robot. Raises Failed, Unknown.

    `key` is the robot's key, or the whole address it was given out with; of DingTalk also the
    secret it signs with, after a comma.
    """
    try:
        plugin = _robot(kind, key)
    except AppriseImproperlyConfigured:  # its words repeat the key
        raise Failed("the key is not one of such a robot") from None
    _say(plugin, title, body)


def send_mail(recipient: str, title: str, body: str) -> None:
    """Send one mail to one recipient. Raises Failed, Unknown."""
    if not settings.MAIL_SERVER:
        raise NotConfigured("CITYOPS_MAIL names no mail server")
    server = urlsplit(settings.MAIL_SERVER)
    mode = {"smtps": "ssl", "starttls": "starttls", "smtp": "insecure"}.get(server.scheme)
    sender = parse_qs(server.query).get("from", [server.username or ""])[0]
    if mode is None or not server.hostname:
        raise NotConfigured("CITYOPS_MAIL is not smtps://…, starttls://… or smtp://…")
    plugin = mail.NotifyEmail(
        host=server.hostname,
        smtp_host=server.hostname,
        port=server.port,
        user=unquote(server.username or ""),
        password=unquote(server.password or ""),
        from_addr=sender,
        targets=[recipient],
        secure_mode=mode,
    )
    _say(plugin, title, body)


def _say(plugin: Any, title: str, body: str) -> None:
    _stand_in()
    if not plugin.notify(title=title, body=body, body_format="text"):
        raise Failed("the other side could not be reached, or refused before anything was sent")


def _robot(kind: str, key: str) -> Any:
    token, _, secret = key_of(key).partition(",")
    if kind == _Kind.WECOM:
        return wecombot.NotifyWeComBot(key=token)
    if kind == _Kind.FEISHU:
        return feishu.NotifyFeishu(token=token)
    return dingtalk.NotifyDingTalk(token=token, secret=secret or None)


def key_of(text: str) -> str:
    """Return the key in the address a robot was given out with, or the key itself."""
    if "://" not in text:
        return text.strip()
    address, _, secret = text.strip().partition(",")
    parts = urlsplit(address)
    asked = parse_qs(parts.query)
    found = [*asked.get("key", []), *asked.get("access_token", [])]
    token = found[0] if found else parts.path.rstrip("/").rpartition("/")[2]
    return f"{token},{secret}" if secret else token


# --- what stands in -----------------------------------------------------------------------------


@cache
def _stand_in() -> None:
    """Replace what the plugins speak through, once a process."""
    for plugin in (wecombot, dingtalk, feishu):
        plugin.requests = SimpleNamespace(  # type: ignore[attr-defined]  # see the module
            post=_post,
            codes=SimpleNamespace(ok=200),
            RequestException=OSError,
        )
    smtp.smtplib = SimpleNamespace(  # type: ignore[assignment,attr-defined]  # see the module
        SMTP=_Mail, SMTP_SSL=_SecuredMail, SMTPException=smtplib.SMTPException
    )


def _post(
    url: str,
    *,
    data: bytes | str,
    headers: dict[str, str],
    params: dict[str, str] | None = None,
    **_: Any,
) -> Any:
    """Post as `requests.post` would; an answer that says no raises Failed.

    apprise quotes DingTalk's signature before it is quoted here again: once is right.
    """
    if params:
        query = urlencode({name: unquote(str(value)) for name, value in params.items()})
        url += ("&" if "?" in url else "?") + query
    body = data.encode() if isinstance(data, str) else data
    answer = post(url, body, headers)
    _require_yes(answer)
    text = answer.body.decode(errors="replace")
    return SimpleNamespace(
        status_code=200, content=answer.body, text=text, json=lambda: json.loads(text)
    )


def _require_yes(answer: Answer) -> None:
    """Raise Failed unless a robot's answer says that the message stands in the group."""
    said = None
    with suppress(ValueError):
        said = json.loads(answer.body)
    if not isinstance(said, dict):
        raise Unknown("the robot's answer cannot be read")
    code = said.get("errcode", said.get("code", said.get("StatusCode")))
    if code is None:
        raise Unknown("the robot's answer says neither yes nor no")
    if code != 0:
        raise Failed(f"the robot refused the message: code {str(code)[:20]}")


class _Mail(smtplib.SMTP):
    """A mail connection to an address that was looked at, cut when its time is over."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        clock = Clock()
        sock = connect(host, port, clock)
        self._timer = cut_when_over(sock, clock)
        return sock

    def sendmail(self, *args: Any, **kwargs: Any) -> Any:
        """Send; what the server refused was not sent, a lost connection tells nothing."""
        try:
            return super().sendmail(*args, **kwargs)
        except smtplib.SMTPRecipientsRefused:
            raise Failed("the mail server refused the recipient") from None
        except smtplib.SMTPResponseException as error:
            raise Failed(f"the mail server answered {error.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise Unknown(f"the mail server did not answer: {type(error).__name__}") from None

    def close(self) -> None:
        """Close, and forget the time."""
        timer = getattr(self, "_timer", None)
        if timer is not None:
            timer.cancel()
        super().close()


class _SecuredMail(smtplib.SMTP_SSL, _Mail):
    """The same under TLS from the first byte."""
