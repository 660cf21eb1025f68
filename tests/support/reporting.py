"""What a person does on the report page of a phone."""

from playwright.sync_api import Page, expect

from tests.support.browsers import picture


def choose(page: Page, condition: str) -> None:
    """Choose a filing condition as one finds it among all: by the words it begins with."""
    option = page.locator(f'#id_condition option[value="{condition}"]')
    page.click("#more")
    page.fill("#category-search", option.text_content().split(" · ")[0].strip())
    page.click(f'[data-choose="{condition}"]')


def take_photo(page: Page, slot: str, colour: str) -> None:
    page.set_input_files(f"#id_{slot}", picture(colour))
    expect(page.locator(f'.shot[data-slot="{slot}"] img')).to_be_visible()


def let_withdrawal_pass(page: Page) -> None:
    """Let the ten seconds pass for taking a report back; the page's clock was installed."""
    expect(page.locator("#toast button")).to_be_visible()
    page.clock.fast_forward(11_000)


def received(page: Page) -> str:
    """Wait until the server has what was stored; return the number it gave."""
    let_withdrawal_pass(page)
    expect(page.locator("#toast")).to_contain_text("Received: HH")
    return page.locator("#toast span").inner_text().split()[-1]
