"""What keeps people out of a page in a browser: axe, small targets, sideways scroll, small text."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
STRONG = ["color-contrast-enhanced"]  # 7:1, of AAA

_AXE = """
async ({ tags, rules }) => {
  const named = Object.fromEntries(rules.map((rule) => [rule, { enabled: true }]));
  const runOnly = tags.length
    ? { type: "tag", values: tags }
    : { type: "rule", values: rules };
  const { violations } = await axe.run(document, {
    runOnly,
    rules: tags.length ? named : {},
    resultTypes: ["violations"],
  });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, any }) => `${id} ${target.join(" ")} ${any[0]?.message ?? ""}`),
  );
}
"""
# A link that covers its card is as large as the card, a box to tick as large as its label.
_SMALL = """
({ alone, inText }) => {
  const SELECTOR = "a[href], button, input:not([type=hidden]), select, textarea, summary";
  const size = (box) => box.getBoundingClientRect();
  const isShown = (one) => one.checkVisibility() && size(one).width > 1 && size(one).right > 0;
  const boxesOf = (one) => {
    const cover = getComputedStyle(one, "::after");
    const isCover = cover.position === "absolute" && cover.inset === "0px";
    return [one, ...(one.labels ?? []), ...(isCover ? [one.offsetParent] : [])];
  };
  const extent = (box) => Math.min(size(box).width, size(box).height);
  return [...document.querySelectorAll(SELECTOR)].filter(isShown).flatMap((one) => {
    const least = getComputedStyle(one).display === "inline" ? inText : alone;
    if (Math.max(...boxesOf(one).map(extent)) > least - 0.5) return [];
    const { width, height } = size(one);
    const name = one.id || one.name || one.textContent.trim().slice(0, 30);
    return [`target of ${Math.round(width)} x ${Math.round(height)}: ${one.tagName} ${name}`];
  });
}
"""
_WIDE = """
() => {
  const { scrollWidth, clientWidth } = document.scrollingElement;
  if (scrollWidth <= clientWidth) return [];
  const wide = [...document.querySelectorAll("body *")].filter(
    (one) => one.checkVisibility() && one.getBoundingClientRect().right > clientWidth + 0.5,
  );
  return [`wider than the screen: ${wide.map((one) => `${one.tagName}.${one.className}`)}`];
}
"""
# All in one go: what the page itself changes meanwhile is no matter of the setting.
_TYPE = """
() => {
  const isText = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim();
  const said = [...document.querySelectorAll("body *:not(svg *)")].filter(
    (one) => one.checkVisibility() && [...one.childNodes].some(isText),
  );
  const sizes = () => said.map((one) => parseFloat(getComputedStyle(one).fontSize));
  const usual = sizes();
  document.documentElement.dataset.text = "large";
  return sizes().flatMap((large, nth) => {
    const { tagName, className } = said[nth];
    if (large > 1.25 * usual[nth] - 0.01) return [];
    return [`large text is ${large} for ${usual[nth]} px: ${tagName}.${className}`];
  });
}
"""


def axe(page: Page, *, tags: list[str], rules: list[str]) -> list[str]:
    """Return what axe finds; the page's policy does not bind what the browser's owner runs."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE_SCRIPT)
    found: list[str] = page.evaluate(_AXE, {"tags": tags, "rules": rules})
    return found


def small_targets(page: Page, *, alone: int = 48, in_text: int = 44) -> list[str]:
    """Return what a glove misses: under 48 px, in a line of text under 44; a mouse less."""
    found: list[str] = page.evaluate(_SMALL, {"alone": alone, "inText": in_text})
    return found


def too_wide(page: Page) -> list[str]:
    """Return what makes the page scroll sideways."""
    found: list[str] = page.evaluate(_WIDE)
    return found


def set_large_text(page: Page) -> list[str]:
    """Choose large text; return what does not grow by a quarter."""
    found: list[str] = page.evaluate(_TYPE)
    return found
