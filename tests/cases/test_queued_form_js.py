"""queued_form.js in a browser: an answer is stored as it was given, and told while it waits."""

import pytest

from tests.support.browsers import picture
from tests.support.modules import modules_page

HOME, OUTBOX = "/m/", "/m/outbox/"
FORM = f"""
<a id="queue-chip" data-user="ann"></a>
<form data-queue data-action="answer_check" data-version="2" data-number="HH7" data-title="Check"
      data-api="/api/v1/cases/HH7/actions/" data-stage="checking" data-unit="u" data-words="x">
  <input type="hidden" name="action" value="answer_check">
  <textarea name="note"></textarea>
  <input type="file" id="photo" name="photo">
  <button type="submit" name="passed" value="true">Passed</button>
  <button type="submit" name="passed" value="false">Failed</button>
</form>
<div id="queued-words" data-home="{HOME}" data-outbox="{OUTBOX}" data-sending="Sending…"
     data-restored="Restored {{at}}" data-again="Again" data-waits="waits" data-received="received"
     data-rendered-at="2020-01-01T10:00:00+08:00"></div>
"""
NO_SUBMITTER = """() =>
  Object.defineProperty(SubmitEvent.prototype, "submitter", { get: () => null })"""


@pytest.fixture
def page(phone):
    return open_form(modules_page(phone))


def open_form(page, form=FORM):
    """Show the form of a task or another, taken over by the script, with the store at hand."""
    page.goto(page.url.partition("/m/")[0] + "/m/tasks/HH7/")
    page.set_content(form)
    page.evaluate("async () => (window.store = await import('/static/cases/queue/store.js'))")
    page.evaluate("import('/static/cases/queued_form.js')")
    page.wait_for_timeout(100)  # what was kept is looked up
    return page


def answer(page, words):
    """Press a button of the form; return what is stored then."""
    page.get_by_role("button", name=words, exact=True).click()
    page.wait_for_url(f"**{HOME}")
    page.evaluate("async () => (window.store = await import('/static/cases/queue/store.js'))")
    (item,) = page.evaluate("store.items('ann')")
    return item


@pytest.mark.parametrize("browser_names_it", [True, False])
@pytest.mark.parametrize(("words", "passed"), [("Passed", True), ("Failed", False)])
def test_an_answer_says_which_button_was_pressed(page, browser_names_it, words, passed):
    if not browser_names_it:
        page.evaluate(NO_SUBMITTER)

    item = answer(page, words)

    assert item["body"]["passed"] is passed
    assert item["title"] == f"Check · {words}"


def test_a_refused_answer_becomes_the_form_as_it_was_when_the_button_was_pressed(page):
    page.locator("textarea").fill("clean")  # younger than the pause after which it is kept

    item = answer(page, "Failed")
    page.evaluate("id => store.changeItem(id, () => ({ state: 'attention' }))", item["id"])
    assert page.evaluate("id => store.edit(id)", item["id"]) is True

    open_form(page)
    assert page.input_value("textarea") == "clean"


def test_an_answer_by_a_button_alone_can_be_mended_too(page):
    item = answer(page, "Passed")
    page.evaluate("id => store.changeItem(id, () => ({ state: 'attention' }))", item["id"])

    assert page.evaluate("id => store.edit(id)", item["id"]) is True

    assert [draft["fields"] for draft in page.evaluate("store.drafts('ann')")] == [
        {"action": "answer_check"}
    ]


def test_the_first_of_two_presses_counts_and_says_that_it_is_under_way(page):
    page.evaluate(
        """async () => {
          const real = window.createImageBitmap;
          const slow = new Promise((done) => (window.go = done));
          window.createImageBitmap = (file) => slow.then(() => real(file));
        }"""
    )
    page.set_input_files("#photo", picture("olive"))
    page.get_by_role("button", name="Passed").click()
    sending = page.get_by_role("button", name="Sending…")
    assert sending.is_disabled()
    assert page.get_by_role("button", name="Failed").is_disabled()

    page.evaluate("go()")
    page.wait_for_url(f"**{HOME}")
    page.evaluate("async () => (window.store = await import('/static/cases/queue/store.js'))")

    (item,) = page.evaluate("store.items('ann')")
    assert (item["body"]["passed"], len(item["photos"])) == (True, 1)
    assert item["title"] == "Check · Passed"


@pytest.mark.parametrize(("version", "asks"), [(2, False), (3, True)])
def test_a_page_older_than_the_receipt_asks_nothing_again(page, version, asks):
    item = answer(page, "Passed")
    page.evaluate(
        """async ([id, version]) => {
          await store.changeItem(id, ({ seen }) => ({ seen: { ...seen, version } }));
          await store.finish(id, "HH7");
        }""",
        [item["id"], version],
    )

    open_form(page)

    assert page.locator("form").is_visible() is asks
    assert page.get_by_text("Check: received").count() == (0 if asks else 1)


# --- feedback -------------------------------------------------------------------------------------

FEEDBACK = f"""
<a id="queue-chip" data-user="ann"></a>
<form data-queue data-kind="feedback" data-action="feedback" data-title="Feedback"
      data-api="/api/v1/feedback/">
  <input type="hidden" name="key" value="k">
  <input type="hidden" name="page" value="/m/report/">
  <textarea name="text" required></textarea>
  <input type="file" id="shot" name="screenshot">
  <button type="submit">Send</button>
</form>
<div id="queued-words" data-home="{HOME}" data-outbox="{OUTBOX}" data-sending="Sending…"
     data-restored="Restored {{at}}" data-again="Again" data-waits="waits" data-received="received"
     data-rendered-at="2020-01-01T10:00:00+08:00"></div>
"""


def test_feedback_is_stored_in_its_own_words_and_asked_for_again(phone):
    page = modules_page(phone)
    open_form(page, FEEDBACK)
    page.fill("textarea", "The button is small")
    page.set_input_files("#shot", picture("olive"))
    page.wait_for_selector("img.phone-preview")

    item = answer(page, "Send")

    assert (item["kind"], item["path"]) == ("feedback", "/api/v1/feedback/")
    assert item["body"] == {"text": "The button is small", "page": "/m/report/"}
    assert (item["title"], item["place"]) == ("Feedback", "The button is small")
    assert [shot["origin"] for shot in item["photos"]] == ["album"]
    open_form(page, FEEDBACK)
    assert page.locator("textarea").is_visible()
    assert page.input_value("textarea") == ""
