"""The desk's modules in a browser without a server: freshness, rows, keys, signing in again."""

import pytest

from tests.support.modules import SECURE

PARTS = """async () => {
  const { Freshness } = await import("/static/cases/desk/freshness.js");
  window.clock = 1_000_000;
  window.fresh = new Freshness(["map", "queue"], () => window.clock);
  window.before = () => {
    window.fresh = new Freshness(["map", "queue"], () => window.clock, ["map"]);
  };
  window.kind = () => fresh.look().kind;
  window.age = () => Math.round(fresh.look().ageMs / 1000);
  window.pass = (s) => { window.clock += s * 1000; };
  window.connect = (state, missed = 0, heard = window.clock) =>
    fresh.connect(state, { heard, missed });
  window.holdAll = (mark, isWhole = false) =>
    ["map", "queue"].forEach((part) => fresh.hold(part, mark, { isWhole }));
}"""


@pytest.fixture
def page(phone):
    page = phone.new_page()
    page.goto(f"{SECURE}/desk/")
    return page


@pytest.fixture
def fresh(page):
    page.evaluate(PARTS)
    return lambda script: page.evaluate(f"() => {{ {script} }}")


# --- freshness ----------------------------------------------------------------------------------


def test_a_page_that_has_only_been_loaded_claims_no_connection(fresh):
    assert fresh("return kind()") == "loaded"
    assert fresh("connect('live'); return kind()") == "live"


def test_a_map_that_never_came_makes_nothing_live(fresh):
    fresh("before(); connect('live'); pass(2); fresh.hear(clock)")
    assert fresh("return [kind(), age()]") == ["live", 2]  # it may be on its way

    seen = [fresh(f"pass({s}); fresh.hear(clock); return kind()") for s in (2, 27)]

    assert seen == ["behind", "stale"]
    fresh("fresh.hold('map', fresh.ask())")  # a part of it is not the map
    assert fresh("return kind()") == "stale"
    assert fresh("fresh.hold('map', fresh.ask(), { isWhole: true }); return kind()") == "live"


@pytest.mark.parametrize(
    ("silent_s", "kind"), [(2, "live"), (29, "live"), (30, "stale"), (60, "veiled")]
)
def test_the_picture_is_as_old_as_the_last_that_was_heard(fresh, silent_s, kind):
    fresh(f"connect('live'); pass({silent_s})")

    assert fresh("return [kind(), age()]") == [kind, silent_s]


def test_a_change_that_cannot_be_fetched_makes_the_picture_as_old_as_what_it_holds(fresh):
    fresh("connect('live'); pass(5); fresh.hear(clock); fresh.tell(); pass(2); fresh.hear(clock)")
    assert fresh("return [kind(), age()]") == ["live", 2]

    seen = [fresh(f"pass({s}); fresh.hear(clock); return kind()") for s in (3, 26, 30)]

    assert seen == ["behind", "stale", "veiled"]
    assert fresh("holdAll(fresh.ask()); return [kind(), age()]") == ["live", 0]


def test_one_part_that_holds_a_change_does_not_speak_for_the_other(fresh):
    fresh("connect('live'); fresh.tell(); pass(10); fresh.hear(clock)")

    fresh("fresh.hold('map', fresh.ask())")

    assert fresh("return [kind(), age()]") == ["behind", 10]


def test_an_answer_asked_for_before_a_change_does_not_hold_it(fresh):
    fresh("connect('live'); window.mark = fresh.ask(); fresh.tell(); pass(10); fresh.hear(clock)")

    fresh("holdAll(mark, true)")

    assert fresh("return [kind(), age()]") == ["behind", 10]


def test_what_was_missed_is_as_old_as_the_break_until_it_is_held(fresh):
    fresh("connect('live'); pass(8); connect('lost', 0, clock - 6000); pass(10)")
    assert fresh("return [kind(), age()]") == ["lost", 16]

    fresh("fresh.tell(); fresh.tell(); connect('live', 2)")

    assert fresh("return [kind(), age()]") == ["behind", 16]
    fresh("holdAll(fresh.ask())")
    assert fresh("const { kind, missed } = fresh.look(); return [kind, missed]") == ["resumed", 2]
    assert fresh("pass(10); fresh.hear(clock); return kind()") == "live"


def test_what_was_missed_is_told_though_the_connection_broke_again_at_once(fresh):
    fresh("connect('live'); connect('lost'); connect('live', 3); connect('lost')")
    fresh("connect('live')")

    assert fresh("const { kind, missed } = fresh.look(); return [kind, missed]") == ["resumed", 3]
    fresh("connect('lost'); connect('live')")
    assert fresh("return fresh.look().missed") == 0


def test_nothing_missed_is_not_worth_a_word(fresh):
    fresh("connect('live'); connect('lost'); connect('live', 0)")

    assert fresh("return kind()") == "live"


def test_asking_again_and_again_begins_with_the_veil_and_ends_with_the_connection(fresh):
    fresh("connect('live'); connect('lost'); pass(59)")
    assert fresh("return [kind(), fresh.isAsking]") == ["stale", False]
    assert fresh("pass(1); return [kind(), fresh.isAsking]") == ["veiled", True]

    fresh("holdAll(fresh.ask(), true)")
    asking = fresh("pass(4); return [kind(), age(), fresh.isAsking]")

    assert asking == ["asking", 4, True]
    assert fresh("connect('live', 3); return [kind(), fresh.isAsking]") == ["resumed", False]


def test_an_answer_to_some_numbers_says_nothing_of_the_rest(fresh):
    fresh("connect('live'); connect('lost'); pass(40); holdAll(fresh.ask(), false)")

    assert fresh("return [kind(), age()]") == ["stale", 40]


def test_signed_out_is_said_however_fresh_the_picture_is(fresh):
    fresh("connect('live'); connect('signed_out')")

    assert fresh("return kind()") == "signed_out"
    assert fresh("pass(90); return [kind(), fresh.isAsking]") == ["signed_out", False]


# --- rows ---------------------------------------------------------------------------------------

QUEUE = """
<style>body { margin: 0 } #queue { height: 200px; overflow-y: auto }
  a { display: block; height: 50px } ol { margin: 0 }</style>
<div id="queue"><p style="position: sticky; top: 0; height: 0; margin: 0">
  <button id="more" data-one="{n} new" data-some="{n} new ones" hidden></button></p><ol></ol></div>
<div id="elsewhere" style="height: 300px"></div>"""
ROWS = """async (html) => {
  document.body.innerHTML = html;
  const { Rows } = await import("/static/cases/desk/rows.js");
  window.box = document.getElementById("queue");
  window.more = document.getElementById("more");
  window.rows = new Rows(box, more);
  window.listOf = (words) => {
    const list = document.createElement("ol");
    list.innerHTML = words.split(" ").filter(Boolean).map((word) => {
      const [number, said] = word.split(":");
      return `<li><a href="?case=${number}" title="" class="row" data-case="${number}">` +
        `${said ?? number}</a></li>`;
    }).join("");
    return list;
  };
  window.take = (words, how) => rows.take(listOf(words), how);
}"""


@pytest.fixture
def rows(page):
    page.evaluate(ROWS, QUEUE)
    page.mouse.move(10, 500)
    page.evaluate("take('A B C D E F G H', { isAsked: true })")
    return page


def shown(page):
    return page.evaluate("rows.numbers.join(' ')")


def test_a_new_row_comes_in_by_itself(rows):
    rows.evaluate("take('A N B C D E F G H')")

    assert shown(rows) == "A N B C D E F G H"
    assert rows.evaluate("rows.card('N').classList.contains('is-new')")
    assert not rows.evaluate("rows.card('B').classList.contains('is-new')")


def test_under_the_pointer_new_rows_wait_and_are_counted(rows):
    rows.mouse.move(10, 20)

    rows.evaluate("take('N M A:late C D E F G H')")

    assert shown(rows) == "A B C D E F G H"
    assert rows.inner_text("#more") == "2 new ones"
    assert rows.evaluate("rows.card('A').textContent") == "late"
    assert rows.evaluate("rows.card('B').classList.contains('is-gone')")
    rows.evaluate("take('N A C D E F G H')")
    assert rows.inner_text("#more") == "1 new"
    rows.mouse.move(10, 500)
    assert shown(rows) == "N A C D E F G H"
    assert rows.is_hidden("#more")


def test_the_button_shows_what_waits(rows):
    rows.mouse.move(10, 20)
    rows.evaluate("box.scrollTop = 90; take('N A B C D E F G H')")

    rows.evaluate("more.click()")

    assert shown(rows).startswith("N A")
    assert rows.evaluate("box.scrollTop") == 0


def test_the_chosen_row_keeps_its_place_and_its_focus(rows):
    rows.evaluate(
        "box.scrollTop = 100; rows.card('D').setAttribute('aria-current', 'true');"
        "rows.card('D').focus({ preventScroll: true });"
        "window.kept = rows.card('D'); window.at = kept.getBoundingClientRect().top"
    )

    rows.evaluate("take('N M A B E C D:now F G H')")

    assert shown(rows) == "N M A B E C D F G H"
    assert rows.evaluate("document.activeElement === kept && kept.isConnected")
    assert rows.evaluate("kept.getBoundingClientRect().top === at")
    assert rows.evaluate("[kept.textContent, kept.getAttribute('aria-current')]") == ["now", "true"]


def test_what_stands_in_sight_does_not_move_when_rows_above_come_and_go(rows):
    rows.evaluate("box.scrollTop = 150; window.at = rows.card('D').getBoundingClientRect().top")

    rows.evaluate("take('N M O B C D E F G H')")

    assert rows.evaluate("rows.card('D').getBoundingClientRect().top === at")


def test_the_same_list_moves_no_element(rows):
    rows.evaluate(
        "window.seen = 0; new MutationObserver((all) => { seen += all.length })"
        ".observe(box, { childList: true, subtree: true })"
    )

    rows.evaluate("take('A B C D E F G H')")

    assert rows.evaluate("new Promise((done) => setTimeout(() => done(seen), 0))") == 0


# --- keys ---------------------------------------------------------------------------------------

KEYS = """async () => {
  document.body.innerHTML = `<input id="field"><input id="box" type="checkbox"><p id="p"
    tabindex="0"></p><dialog id="dialog"><button>x</button></dialog>`;
  const { bindKeys, turnKeys, areKeysOn } = await import("/static/cases/desk/keys.js");
  window.ran = [];
  window.isOn = true;
  window.turnKeys = turnKeys;
  window.areKeysOn = areKeysOn;
  bindKeys({
    isOn: () => window.isOn,
    keys: { j: () => ran.push("j"), "?": () => ran.push("?"), escape: () => ran.push("escape") },
    onDigit: (digit) => { ran.push(digit); return digit < 9; },
    onEnter: () => { ran.push("enter"); return true; },
    onLeave: (field) => ran.push(`left ${field.id}`),
  });
  window.press = (key, more = {}) => document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
}"""


@pytest.fixture
def keys(page):
    page.evaluate(KEYS)
    return page


def ran(page):
    return page.evaluate("ran.splice(0)")


def test_a_letter_a_digit_and_enter_run_what_they_stand_for(keys):
    for key in ("j", "J", "3", "Enter", "Escape", "?"):
        keys.keyboard.press(key)

    assert ran(keys) == ["j", "j", 3, "enter", "escape", "?"]


@pytest.mark.parametrize("held", ["ctrlKey", "altKey", "metaKey"])
def test_a_key_of_the_browser_is_left_alone(keys, held):
    assert keys.evaluate(f"press('j', {{ {held}: true }})")  # nobody prevented its default

    assert ran(keys) == []


@pytest.mark.parametrize("more", ["{ isComposing: true }", "{ keyCode: 229 }"])
def test_a_key_of_an_input_method_is_left_alone(keys, more):
    keys.evaluate(f"press('j', {more})")

    assert ran(keys) == []


def test_letters_are_typed_into_a_field_and_escape_leaves_it(keys):
    keys.focus("#field")
    keys.keyboard.type("j3?")
    keys.keyboard.press("Escape")

    assert keys.input_value("#field") == "j3?"
    assert ran(keys) == ["left field"]


def test_a_box_that_was_ticked_takes_no_letters(keys):
    keys.focus("#box")
    keys.keyboard.press("j")

    assert ran(keys) == ["j"]


def test_no_key_reaches_the_page_behind_a_dialog(keys):
    keys.evaluate("document.getElementById('dialog').showModal()")
    keys.keyboard.press("j")

    assert ran(keys) == []


def test_keys_that_are_off_do_nothing_and_stay_off(keys):
    keys.evaluate("isOn = false")
    for key in ("j", "3", "Enter", "?"):
        keys.keyboard.press(key)

    assert ran(keys) == []
    assert keys.evaluate("[areKeysOn(), (turnKeys(false), areKeysOn())]") == [True, False]
    assert keys.evaluate("(turnKeys(true), areKeysOn())")


# --- signing in again ---------------------------------------------------------------------------

SIGN_IN = """async (origin) => {
  document.body.innerHTML = `
    <form id="typed"><input type="hidden" name="csrfmiddlewaretoken" value="old">
      <textarea></textarea></form>
    <dialog id="again" data-home="/desk/home/" data-sending="Sending" data-unanswered="No answer"
      data-must-change="Choose another.">
      <form action="/sign-in/"><p role="alert"></p><p data-change hidden></p><input name="username">
        <input name="password" type="password"><button>Sign in</button></form></dialog>`;
  document.querySelector("textarea").value = "half a sentence";
  const { SignIn } = await import("/static/cases/desk/sign_in.js");
  window.done = 0;
  window.again = new SignIn(document.getElementById("again"), "ann", () => { done += 1; });
  again.ask();
}"""
ASKS = '<form><input name="csrfmiddlewaretoken" value="asked"></form>'


class Server:
    """Answers as the sign-in page does, and keeps what was posted."""

    def __init__(self, context):
        self.user, self.posted, self.is_gone, self.must_change = "ann", [], False, False
        context.route(f"{SECURE}/sign-in/", self.answer)
        context.route(
            f"{SECURE}/desk/home/",
            lambda route: route.fulfill(body=self.home(), content_type="text/html"),
        )

    def answer(self, route):
        if self.is_gone:
            route.abort()
            return
        body = ASKS
        if route.request.method == "POST":
            self.posted.append(route.request.post_data)
            wrong = '<p class="error">Wrong password.</p>' + ASKS
            body = self.home() if "password=right" in self.posted[-1] else wrong
        route.fulfill(body=body, content_type="text/html")

    def home(self):
        return (
            f'<form id="sign-out" data-user="{self.user}">'
            '<input name="csrfmiddlewaretoken" value="new"></form>'
            # The desk itself holds the words for it, on its dialog.
            + ("<form" if self.must_change else "<dialog")
            + " data-must-change='Choose another.'>"
        )


@pytest.fixture
def server(phone):
    return Server(phone)


@pytest.fixture
def again(page, server):
    page.evaluate(SIGN_IN, SECURE)
    return page


def sign_in(page, password):
    page.fill("#again [name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_selector("#again button:not([disabled])", state="attached")


def test_signing_in_again_keeps_what_was_typed_and_renews_the_tokens(again, server):
    assert again.input_value("#again [name=username]") == "ann"

    sign_in(again, "right")

    again.wait_for_function("done === 1")
    assert server.posted == [
        "username=ann&password=right&csrfmiddlewaretoken=asked&next=%2Fdesk%2Fhome%2F"
    ]
    assert again.input_value("#typed [name=csrfmiddlewaretoken]") == "new"
    assert again.input_value("#typed textarea") == "half a sentence"
    assert again.evaluate("[again.dialog.open, again.password.value]") == [False, ""]


def test_a_window_that_never_asked_renews_its_tokens_and_tells_nobody(again):
    """Another window of the desk has signed in again; its token is the only one that counts."""
    again.evaluate("again.dialog.close()")

    again.evaluate("again.look()")

    assert again.input_value("#typed [name=csrfmiddlewaretoken]") == "new"
    assert again.input_value("#typed textarea") == "half a sentence"
    assert again.evaluate("done") == 0


def test_a_password_that_must_be_changed_first_is_said_once(again, server):
    """Every page leads to the change: the dialog closed and opened for ever."""
    server.must_change = True

    sign_in(again, "right")
    again.wait_for_function("again.said.textContent === 'Choose another.'")
    again.evaluate("again.look()")

    assert again.evaluate("[again.dialog.open, again.change.hidden, done]") == [True, False, 0]
    server.must_change = False
    again.evaluate("again.look()")
    assert again.evaluate("[again.dialog.open, done]") == [False, 1]


def test_a_wrong_password_is_said_and_the_dialog_stays(again, server):
    sign_in(again, "wrong")

    again.wait_for_function("again.said.textContent === 'Wrong password.'")
    assert again.evaluate("[again.dialog.open, done]") == [True, 0]
    assert again.input_value("#typed [name=csrfmiddlewaretoken]") == "old"


def test_no_answer_is_said_and_the_button_comes_back(again, server):
    server.is_gone = True
    sign_in(again, "right")

    again.wait_for_function("again.said.textContent === 'No answer'")
    assert again.is_enabled("#again button")
    assert again.evaluate("again.dialog.open")


def test_escape_does_not_close_what_nothing_can_be_done_behind(again):
    again.keyboard.press("Escape")

    assert again.evaluate("again.dialog.open")


def test_another_user_gets_a_page_of_their_own(again, server):
    server.user = "bob"
    with again.expect_navigation():
        again.fill("#again [name=password]", "right")
        again.keyboard.press("Enter")

    assert again.evaluate("document.querySelector('#typed') === null")
