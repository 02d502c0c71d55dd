"""A headless Chromium, driven over its own pipe: https://chromedevtools.github.io/devtools-protocol/."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import count
from pathlib import Path
from typing import Any, Self

_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One browser with one page; a context manager. ``folder`` is where it may keep its profile."""

    def __init__(self, folder: Path) -> None:
        from_us, self._to_browser = os.pipe()
        self._from_browser, to_us = os.pipe()
        # The browser reads commands from descriptor 3 and writes answers to 4.
        command = f'exec chromium "$@" 3<&{from_us} 4>&{to_us}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, "chromium", *_QUIET, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(from_us, to_us),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(from_us)
        os.close(to_us)
        self._received = b""
        self._ids = count(1)
        self._session: str | None = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        self.send("Browser.close")
        self._process.wait(timeout=60)
        os.close(self._to_browser)
        os.close(self._from_browser)

    def send(self, method: str, **parameters: object) -> Any:
        """Carry out a command; its result."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next_message()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next_message(self) -> Any:
        while b"\0" not in self._received:
            part = os.read(self._from_browser, 1 << 16)
            assert part, "the browser has gone"
            self._received += part
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def look(self, page: Path, *, width: int, colours: str) -> None:
        """Show a page on a screen of ``width`` pixels, ``light`` or ``dark``."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": colours}])
        self.send("Page.navigate", url=page.as_uri())
        while self.ask("document.readyState + location.href") != f"complete{page.as_uri()}":
            pass

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")
