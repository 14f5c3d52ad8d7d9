"""A browser for tests: waiting, logs, sizes and colours."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCREENSHOTS = os.environ.get("CALLMOCKS_SCREENSHOTS", "")
"""A folder for screenshots of every page."""

CONTRASTS = """
const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
const over = (top, under) => {
  const alpha = top[3] ?? 1;
  return [0, 1, 2].map((i) => top[i] * alpha + under[i] * (1 - alpha));
};
const ground = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    layers.push(parse(getComputedStyle(at).backgroundColor));
  }
  return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
};
const luminance = (rgb) => {
  const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = rgb.map((c) => linear(c / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const low_contrast = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.data.trim();
  const element = walker.currentNode.parentElement;
  const box = element.getBoundingClientRect();
  if (!text || box.width < 2 || !element.checkVisibility({ visibilityProperty: true })) continue;
  if (["TITLE", "OPTION", "SCRIPT"].includes(element.tagName.toUpperCase())) continue;
  const style = getComputedStyle(element);
  const svg = element.namespaceURI.endsWith("svg");
  const back = ground(svg ? element.closest("figure") : element);
  const ink = over(parse(svg ? style.fill : style.color), back);
  const [a, b] = [luminance(ink), luminance(back)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) low_contrast.push(`${ratio.toFixed(2)} ${element.tagName} ${text.slice(0, 40)}`);
}
return low_contrast;
"""


class Browser:
    """Selenium's driver on one site."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        self.address = address

    def open(self, path: str) -> None:
        """Load a page; its scripts have run when this returns."""
        self.driver.get(self.address + path)
        self.wait(lambda: not self.all("button[disabled]"))

    def size(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Screen size and colour scheme."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def all(self, selector: str) -> list[Any]:
        """Elements by CSS."""
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def one(self, selector: str) -> Any:
        """The first element by CSS."""
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        text: str = self.one(selector).text
        return text

    def run(self, script: str, *arguments: Any) -> Any:
        """A script's result."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any], seconds: float = 30) -> Any:
        """Wait until something holds; elements that were just replaced are looked for again."""
        from selenium.common.exceptions import (
            NoSuchElementException,
            StaleElementReferenceException,
        )
        from selenium.webdriver.support.wait import WebDriverWait

        gone = (NoSuchElementException, StaleElementReferenceException)
        waiting = WebDriverWait(self.driver, seconds, 0.05, ignored_exceptions=gone)
        return waiting.until(lambda _: condition())

    def press(self, *keys: str) -> None:
        """Keys, one after the other, on whatever has the focus."""
        from selenium.webdriver import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def focused(self) -> Any:
        """The element that has the focus."""
        return self.driver.switch_to.active_element

    def console_messages(self) -> list[str]:
        """Messages of the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def save_screenshot(self, name: str) -> None:
        """The whole page as a file in ``SCREENSHOTS``."""
        if not SCREENSHOTS:
            return
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
        import base64

        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        (Path(SCREENSHOTS) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
