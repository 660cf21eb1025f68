"""One request to another system: where it may go, and what is known of it afterwards."""

import socket
import time

import pytest

from cases.services import line
from cases.services.outside import Failed, Unknown
from cases.services.post import post

BODY, HEADERS = b'{"a": 1}', {"Content-Type": "application/json"}


def test_a_2xx_is_the_answer(other_system):
    answer = post(f"{other_system.address}/hook?x=1", BODY, HEADERS)

    assert answer.status == 200
    assert answer.body == b'{"errcode": 0, "code": 0}'
    (arrival,) = other_system.arrived
    assert arrival.path == "/hook?x=1"
    assert arrival.body == BODY
    assert arrival.headers["Host"] == f"127.0.0.1:{other_system.port}"


@pytest.mark.parametrize("mode", ["no", "gone", "moved"])
def test_who_says_no_has_not_taken_it(other_system, mode):
    other_system.mode = mode

    with pytest.raises(Failed):
        post(other_system.address, BODY, HEADERS)

    assert len(other_system.arrived) == 1  # a redirect is not followed


@pytest.mark.parametrize("mode", ["late", "broken", "busy", "gateway", "drops", "silent", "drips"])
def test_who_fails_or_says_nothing_may_have_taken_it(other_system, mode, monkeypatch):
    monkeypatch.setattr(line, "DEADLINE_S", 0.6)
    other_system.mode = mode
    begun = time.monotonic()

    with pytest.raises(Unknown):
        post(other_system.address, BODY, HEADERS)

    assert time.monotonic() - begun < 3
    assert len(other_system.arrived) == 1


def test_where_nobody_listens_nothing_arrived(other_system):
    other_system.stop()

    with pytest.raises(Failed, match="cannot be reached"):
        post(other_system.address, BODY, HEADERS)


def test_a_long_answer_is_not_read_to_its_end(other_system):
    other_system.says = "x" * 1_000_000

    answer = post(other_system.address, BODY, HEADERS)

    assert len(answer.body) == 64 * 1024


@pytest.mark.parametrize(
    "address",
    [
        "http://{host}:{port}/",  # a host nobody named
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http://127.0.0.1@{host}:{port}/",
        "http://user:word@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/a b",
        "http://127.0.0.1:{port}/\r\nX: y",
        "http://127.0.0.1:99999/",
    ],
)
def test_an_address_that_may_not_be_asked_is_refused(other_system, address):
    with pytest.raises(Failed):
        post(address.format(host="localhost", port=other_system.port), BODY, HEADERS)

    assert other_system.arrived == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.1"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "169.254.169.254", "224.0.0.1"),
        *("[fe80::1]", "[fd00::1]", "0.0.0.0"),  # noqa: S104  # not bound
    ],
)
def test_a_named_host_that_leads_inwards_is_not_reached(other_system, settings, host):
    settings.OUTSIDE_HOSTS = frozenset({host.strip("[]")})
    settings.PRIVATE_NETWORKS = []

    with pytest.raises(Failed, match=r"not public|has no address"):
        post(f"http://{host}:{other_system.port}/", BODY, HEADERS)

    assert other_system.arrived == []


def test_plain_http_is_spoken_in_opened_networks_only(other_system, monkeypatch):
    """As if a public address had been reached over plain http."""
    monkeypatch.setattr(line, "_is_public", lambda _: True)
    monkeypatch.setattr("cases.services.post.is_private_allowed", lambda _: False)

    with pytest.raises(Failed, match="only https"):
        post(other_system.address, BODY, HEADERS)

    assert other_system.arrived == []


def test_the_name_is_asked_for_once_and_the_address_looked_at_is_the_one_reached(
    settings, monkeypatch
):
    """DNS rebinding: the second answer, which leads inwards, is never asked for."""
    settings.OUTSIDE_HOSTS = frozenset({"hook.example.org"})
    answers, reached = [["93.184.215.14"], ["127.0.0.1"]], []

    def resolve(host, port, **_):
        return [(socket.AF_INET, None, None, "", (a, port)) for a in answers.pop(0)]

    def connect(address, timeout):
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)

    with pytest.raises(Failed):
        post("https://hook.example.org/", BODY, HEADERS)

    assert reached == [("93.184.215.14", 443)]
    assert answers == [["127.0.0.1"]]


@pytest.fixture
def names(settings, monkeypatch):
    """Let names lead to this machine once each, and to one that must not be reached after that."""
    answers = {"hook.example.org": ["127.0.0.1", "10.9.9.9"], "other.example.org": ["127.0.0.1"]}
    settings.OUTSIDE_HOSTS = frozenset(answers)

    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **words: resolve(
            answers[host].pop(0) if host in answers else host, *rest, **words
        ),
    )
    return answers


def test_https_reaches_the_address_looked_at_under_the_name_certified(
    secured_system, authority, names, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    reached, connect = [], socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda to, timeout: reached.append(to) or connect(to, timeout)
    )

    answer = post(f"https://hook.example.org:{secured_system.port}/hook", BODY, HEADERS)

    assert answer.status == 200
    (arrival,) = secured_system.arrived
    assert (arrival.path, arrival.body) == ("/hook", BODY)
    assert arrival.headers["Host"] == f"hook.example.org:{secured_system.port}"
    assert secured_system.asked == ["hook.example.org"]  # not the address
    assert reached == [("127.0.0.1", secured_system.port)]
    assert names["hook.example.org"] == ["10.9.9.9"]  # looked up once


@pytest.mark.parametrize(
    ("host", "is_known"), [("other.example.org", True), ("hook.example.org", False)]
)
def test_a_certificate_of_another_name_or_by_somebody_unknown_is_refused(
    secured_system, authority, names, monkeypatch, host, is_known
):
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))

    with pytest.raises(Failed, match=f"no TLS with {host}: SSLCertVerificationError"):
        post(f"https://{host}:{secured_system.port}/hook", BODY, HEADERS)

    assert secured_system.arrived == []
    assert secured_system.asked == [host]


def test_plain_http_is_not_taken_for_tls(other_system, names, monkeypatch):
    with pytest.raises(Failed, match="no TLS"):
        post(f"https://hook.example.org:{other_system.port}/hook", BODY, HEADERS)

    assert other_system.arrived == []


def test_one_inward_address_among_public_ones_is_enough_to_refuse(settings, monkeypatch):
    settings.OUTSIDE_HOSTS = frozenset({"hook.example.org"})
    found = [(socket.AF_INET, None, None, "", (a, 443)) for a in ("93.184.215.14", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("reached"))

    with pytest.raises(Failed, match="not public"):
        post("https://hook.example.org/", BODY, HEADERS)


def test_a_resolver_that_hangs_is_not_waited_for(settings, monkeypatch):
    settings.OUTSIDE_HOSTS = frozenset({"hook.example.org"})
    monkeypatch.setattr(line, "DEADLINE_S", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1) or [])
    begun = time.monotonic()

    with pytest.raises(Failed):
        post("https://hook.example.org/", BODY, HEADERS)

    assert time.monotonic() - begun < 1.5
