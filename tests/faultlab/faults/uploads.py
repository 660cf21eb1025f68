"""Uploads cut off by the death of the web server, and answers that never came."""

import hashlib
import http.client
import io
import os
import random
import time
from contextlib import suppress
from typing import Any

from PIL import Image

from tests.faultlab.crashpoints import armed
from tests.faultlab.faults import fault
from tests.faultlab.faults.reports import Reporter
from tests.faultlab.faults.steady import chance, require
from tests.faultlab.figures import Figures, Size
from tests.faultlab.history import Call
from tests.faultlab.load import Client
from tests.faultlab.runner import Lab

CUTS = (0.1, 0.5, 0.9, 1.0)  # how much of an upload had been sent when the server died
AFTER_COMMIT = "web_after_commit"
BACK_S = 60
OLD_S = 660  # an orphan is swept when it is ten minutes old
BOUNDARY = "lab-boundary"


@fault("F13", "web killed during uploads, and between commit and answer")
def kill_web(lab: Lab, size: Size) -> Figures:
    """Cut uploads off at every share of their bytes and after the commit; send each again."""
    figures, draw = Figures(size), chance("F13", size)
    reporter = Reporter(lab, draw, "uploads")
    client = reporter.client()
    rounds = [cut for cut in (*CUTS, None) for _ in range(size.pick(20, 1))]
    draw.shuffle(rounds)
    cut_off = unanswered = 0
    for cut in rounds:
        picture, actor = _picture(draw), draw.choice(reporter.inspectors)
        if cut is None:
            unanswered += _unanswered(lab, reporter, client, actor, picture)
        else:
            case = _report(reporter, client, actor, picture)
            call = _photo_call(case, actor, picture)
            cut_off += _send_part(lab, reporter, call, picture, cut)
            _send_until_stored(lab, reporter, call, picture)
    client.close()
    reporter.close()
    figures.note("uploads cut off", cut_off, at_least=len(CUTS) * size.pick(20, 1))
    figures.note("answers that never came", unanswered, at_least=2 * size.pick(20, 1))
    lab.heal()
    lab.quiesce()
    _note_photos(lab, figures, len(rounds))
    return figures


def _picture(draw: random.Random) -> bytes:
    """Return a JPEG of noise, unlike any other, of some 200 kB."""
    out = io.BytesIO()
    Image.frombytes("RGB", (320, 240), draw.randbytes(320 * 240 * 3)).save(out, "JPEG", quality=98)
    return out.getvalue()


def _report(reporter: Reporter, client: Client, actor: str, picture: bytes) -> dict[str, Any]:
    """Report a case whose photo is announced and still to come."""
    body = reporter.body(photos=[hashlib.sha256(picture).hexdigest()])
    answer = client.send(Call("create", reporter.key(), actor), "/api/v1/cases/", body)
    require(answer is not None, "a report was refused")
    return answer or {}


def _photo_call(case: dict[str, Any], actor: str, picture: bytes) -> Call:
    sha = hashlib.sha256(picture).hexdigest()
    return Call("photo", sha, actor, "store_photo", case["number"], None, case["district"] or "")


def _unanswered(lab: Lab, reporter: Reporter, client: Client, actor: str, picture: bytes) -> int:
    """Let the server die after the commit of a report, and after that of its photo."""
    with armed(lab, AFTER_COMMIT) as report_died:
        case = _report(reporter, client, actor, picture)
    call = _photo_call(case, actor, picture)
    with armed(lab, AFTER_COMMIT) as photo_died:
        _send_until_stored(lab, reporter, call, picture)
    return report_died() + photo_died()


def _send_part(lab: Lab, reporter: Reporter, call: Call, picture: bytes, share: float) -> bool:
    """Send a part of an upload straight to the web server and kill it; true if no answer came."""
    path, body, headers = _request(lab, call, picture)
    connection = http.client.HTTPConnection("127.0.0.1", lab.home.state.ports["web"], timeout=15)
    reporter.history.invoke(call)
    status = 0
    with suppress(OSError, http.client.HTTPException):
        connection.putrequest("PUT", path, skip_host=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body[: int(share * len(body))])
        lab.kill("web")
        status = connection.getresponse().status
    connection.close()
    reporter.history.answered(call, status)
    return status == 0


def _send_until_stored(lab: Lab, reporter: Reporter, call: Call, picture: bytes) -> None:
    """Send an upload through the city's address until it is answered, as a phone does."""
    path, body, headers = _request(lab, call, picture)
    deadline = time.monotonic() + BACK_S
    while time.monotonic() < deadline:
        again = Call(call.op, call.key, call.actor, call.action, call.number, None, call.district)
        connection = http.client.HTTPConnection("127.0.0.1", lab.home.state.port, timeout=15)
        reporter.history.invoke(again)
        status = 0
        with suppress(OSError, http.client.HTTPException):
            connection.request("PUT", path, body, headers)
            status = connection.getresponse().status
        connection.close()
        kind = reporter.history.answered(again, status, body={"number": call.number})
        require(kind != "fail", f"an upload was refused with {status}")
        if kind == "ok":
            return
        time.sleep(0.3)
    require(False, f"an upload was not taken within {BACK_S} s")  # noqa: FBT003


def _request(lab: Lab, call: Call, picture: bytes) -> tuple[str, bytes, dict[str, str]]:
    body = (
        (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        ).encode()
        + picture
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )
    headers = {
        "Host": "localhost",
        "Authorization": f"Bearer {lab.people[call.actor]}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(body)),
    }
    return f"/api/v1/cases/{call.number}/photos/{call.key}/", body, headers


# --- what is left --------------------------------------------------------------------------------


def _note_photos(lab: Lab, figures: Figures, wanted: int) -> None:
    """Every announced photo is one row and one file, and nothing else is left."""
    media = lab.home.path / "media"
    rows = lab.rows("SELECT sha256, stored_sha256 FROM cases_attachment")
    whole = sum(
        (media / "photos" / stored[:2] / f"{stored}.jpg").is_file() for _, stored in rows if stored
    )
    figures.note("photos stored", whole, f"of {wanted}", at_least=wanted, at_most=wanted)
    parts = list(media.rglob("*.part"))
    figures.note("half files left by the deaths", len(parts))
    for part in parts:
        old = time.time() - OLD_S
        os.utime(part, (old, old))
    if parts:
        _sweep(lab)
    figures.note("half files after ten minutes", len(list(media.rglob("*.part"))), at_most=0)


def _sweep(lab: Lab) -> None:
    """Have the sweeper run now, as its tick would within ten minutes."""
    key = f"sweep_photos:lab:{time.time_ns()}"
    lab.rows(
        "INSERT INTO cases_effect (key, kind, queue, scope, payload, urgency, runs, max_runs,"
        " outcome, last_error, state) VALUES (%s, 'sweep_photos', 'media', '', '{}', 0, 0, 3, '',"
        " '', 'due')",
        key,
    )
    deadline = time.monotonic() + BACK_S
    while not lab.rows("SELECT 1 FROM cases_effect WHERE key = %s AND state = 'done'", key):
        require(time.monotonic() < deadline, f"the sweeper did not run within {BACK_S} s")
        time.sleep(0.2)
