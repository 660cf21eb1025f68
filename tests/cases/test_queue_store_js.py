"""queue/store.js in a browser: what is kept, for whom, and that nothing is half kept."""

import hashlib

import pytest

from tests.support.modules import PLAIN, SECURE, modules_page

DRAFT = {"id": "d1", "user": "ann", "path": "/m/report/", "fields": {"note": "here"}}
ITEM = {"id": "d1", "user": "ann", "kind": "report", "path": "/api/v1/cases/", "body": {"a": 1}}
PUT = """async ([draft, texts]) => {
  const photos = texts.map((text, i) => ({ name: `tile${i}`, blob: new Blob([text]) }));
  await store.putDraft({ ...draft, photos });
}"""
STORE = """async ([item, texts]) => {
  const photos = texts.map((text, i) => ({ name: `tile${i}`, blob: new Blob([text]) }));
  await store.enqueue({ ...item, photos });
}"""
PHOTOS = """async () => {
  const db = await new Promise((done) => {
    const asked = indexedDB.open("cityops");
    asked.onsuccess = () => done(asked.result);
  });
  const rows = await new Promise((done) => {
    const asked = db.transaction("photos").objectStore("photos").getAllKeys();
    asked.onsuccess = () => done(asked.result);
  });
  db.close();
  return rows.map(([owner]) => owner);
}"""


CUT_OFF = """async () => {
  const { open } = IDBFactory.prototype;
  IDBFactory.prototype.open = function (...words) {
    const asked = open.apply(this, words);
    asked.addEventListener("success", () => (window.connection = asked.result));
    return asked;
  };
  await store.items("ann");
  window.connection.close();
}"""


@pytest.fixture
def page(phone):
    return modules_page(phone)


def rows(page, name, user="ann"):
    return page.evaluate(f"user => store.{name}(user)", user)


@pytest.mark.parametrize("origin", [SECURE, PLAIN])
def test_a_draft_comes_back_with_its_photos_on_a_new_page(phone, origin):
    modules_page(phone, origin).evaluate(PUT, [DRAFT, ["near", "far"]])

    later = modules_page(phone, origin)

    draft = later.evaluate(
        """async () => {
          const { photos, ...draft } = await store.getDraft("d1", "ann");
          const texts = await Promise.all(photos.map((photo) => photo.blob.text()));
          return { ...draft, photos: photos.map((p, i) => [p.name, p.sha256, texts[i]]) };
        }"""
    )
    assert draft.pop("saved_at")
    assert draft == DRAFT | {
        "photos": [
            ["tile0", hashlib.sha256(b"near").hexdigest(), "near"],
            ["tile1", hashlib.sha256(b"far").hexdigest(), "far"],
        ]
    }


def test_photos_taken_out_of_a_draft_leave_the_phone(page):
    page.evaluate(PUT, [DRAFT, ["near", "far"]])

    page.evaluate(PUT, [DRAFT, ["far"]])

    assert page.evaluate(PHOTOS) == ["d1"]


def test_what_is_sent_takes_the_place_of_its_draft(page):
    page.evaluate(PUT, [DRAFT, ["near"]])

    page.evaluate(STORE, [ITEM, ["near"]])

    assert rows(page, "drafts") == []
    (item,) = rows(page, "items")
    assert (item["state"], item["body"], item["photos"][0]["size"]) == ("waiting", {"a": 1}, 4)
    assert page.evaluate(PHOTOS) == ["d1"]


def test_a_late_save_does_not_bring_a_draft_back(page):
    page.evaluate(PUT, [DRAFT, []])
    page.evaluate(STORE, [ITEM, []])

    page.evaluate(PUT, [DRAFT, []])

    assert rows(page, "drafts") == []


def test_an_item_withdrawn_in_time_is_the_draft_it_was(page):
    page.evaluate(PUT, [{**DRAFT, "saved_at": "2026-11-26T02:00:00Z"}, ["near"]])
    page.evaluate(STORE, [ITEM, ["near"]])

    assert page.evaluate("store.withdraw('d1')") is True

    assert rows(page, "items") == []
    (draft,) = rows(page, "drafts")
    assert (draft["id"], draft["fields"]) == ("d1", {"note": "here"})
    assert draft["saved_at"] == "2026-11-26T02:00:00Z"  # when it was entered, and where
    assert page.evaluate(PHOTOS) == ["d1"]


def test_an_item_that_has_begun_cannot_be_withdrawn(page):
    page.evaluate(PUT, [DRAFT, ["near"]])
    page.evaluate(STORE, [ITEM, ["near"]])
    page.evaluate("store.begin('d1')")

    assert page.evaluate("store.withdraw('d1')") is False

    assert [item["id"] for item in rows(page, "items")] == ["d1"]
    assert rows(page, "drafts") == []


def test_storing_twice_is_storing_once(page):
    page.evaluate(STORE, [ITEM, ["near"]])

    page.evaluate(STORE, [{**ITEM, "body": {"a": 2}}, []])

    assert [item["body"] for item in rows(page, "items")] == [{"a": 1}]
    assert page.evaluate(PHOTOS) == ["d1"]


def test_what_was_received_is_not_stored_again(page):
    page.evaluate(STORE, [ITEM, []])
    page.evaluate("store.finish('d1', 'HH1')")

    page.evaluate(STORE, [ITEM, []])

    assert rows(page, "items") == []


def test_an_acknowledged_item_leaves_a_receipt_and_no_photo(page):
    page.evaluate(STORE, [ITEM, ["near"]])

    page.evaluate("store.finish('d1', 'HH1')")

    assert (rows(page, "items"), page.evaluate(PHOTOS)) == ([], [])
    assert [(row["id"], row["number"]) for row in rows(page, "received")] == [("d1", "HH1")]


def test_everybody_has_their_own_on_a_shared_phone(page):
    page.evaluate(PUT, [DRAFT, []])
    page.evaluate(STORE, [{**ITEM, "id": "i1"}, []])

    assert [rows(page, name, "bob") for name in ("drafts", "items", "received")] == [[], [], []]
    assert page.evaluate("store.getDraft('d1', 'bob')") is None
    assert page.evaluate("store.ofOthers('bob')") == 2


def test_other_tabs_hear_of_a_change(phone, page):
    other = modules_page(phone)
    other.evaluate("() => { window.heard = []; store.onChange((m) => heard.push(m.kind)) }")

    page.evaluate(STORE, [ITEM, []])

    other.wait_for_function("heard.includes('change')")


def test_a_full_phone_keeps_what_it_had(page):
    page.evaluate(PUT, [DRAFT, ["near"]])
    page.evaluate(
        """() => { IDBObjectStore.prototype.put = function () {
          throw new DOMException("full", "QuotaExceededError");
        } }"""
    )

    error = page.evaluate(f"({STORE})([{ITEM!r}, []]).catch(e => e.name)")

    assert error == "QuotaExceededError"
    assert [draft["id"] for draft in rows(page, "drafts")] == ["d1"]
    assert page.evaluate(PHOTOS) == ["d1"]


def test_a_connection_the_phone_has_cut_off_is_opened_anew(page):
    page.evaluate(CUT_OFF)  # as WebKit does behind a page in the background: no event tells of it

    page.evaluate(STORE, [ITEM, ["near"]])

    assert [item["id"] for item in rows(page, "items")] == ["d1"]
