"""Headless Chromium over its DevTools pipe: no driver, no port, no script in the page."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

LAYOUT = """(() => {
  const wide = document.documentElement.clientWidth;
  const seen = e => e.getClientRects().length && getComputedStyle(e).visibility !== 'hidden';
  const out = [...document.querySelectorAll('body *')].filter(seen).filter(e => {
    const r = e.getBoundingClientRect(), s = e.closest('.scroll');
    return !s && (r.left < -1 || r.right > wide + 1);
  }).map(e => e.tagName + '.' + e.className);
  const small = [...document.querySelectorAll('button, .answer, .pick, .chip, select, .tongues a')].filter(seen)
    .filter(e => e.getBoundingClientRect().height < 30).map(e => e.tagName + '.' + e.className);
  return {width: wide, scroll: document.documentElement.scrollWidth, out, small,
          direction: getComputedStyle(document.body).direction};
})()"""
"""What sticks out of the window, and what is too low to be touched."""


class Browser:
    """One tab. Use as a context manager."""

    def __enter__(self) -> Browser:
        assert CHROMIUM is not None, "the pages are tested in Chromium: scripts/debian-packages --tests"
        self._profile = tempfile.mkdtemp(prefix="polysee-chromium-")
        there, self._write = os.pipe()
        self._read, back = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4. Ours must not be those while they are moved there.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (there, back)]
        os.close(there)
        os.close(back)
        self._pid = os.posix_spawn(
            CHROMIUM,
            [CHROMIUM, *_FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, ends[0], 3),
                (os.POSIX_SPAWN_DUP2, ends[1], 4),
            ],
        )
        for end in ends:
            os.close(end)
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._loaded = 0
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session: str | None = None
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")
        return self

    _session: str | None = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.write(self._write, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
        for _ in range(100):
            if os.waitpid(self._pid, os.WNOHANG)[0]:
                break
            time.sleep(0.05)
        else:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)

    def window(self, width: int, height: int) -> None:
        """A phone's or a desk's; pages are laid out as a phone does below 600 pixels."""
        phone = width < 600
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def open(self, url: str) -> None:
        """Follows redirects and waits until the page has loaded."""
        before = self._loaded
        self._call("Page.navigate", url=url)
        self._wait(lambda: self._loaded > before)

    def forget(self) -> None:
        """All cookies."""
        self._call("Network.clearBrowserCookies")

    def evaluate(self, script: str) -> Any:
        """The value of a script, which the page's policy does not touch."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    @contextmanager
    def navigation(self) -> Iterator[None]:
        """What is done inside leads to another page, and is done when that has loaded."""
        before = self._loaded
        yield
        self._wait(lambda: self._loaded > before)

    def picture(self, path: Path) -> None:
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        found: list[Any] = []

        def answered() -> bool:
            return bool(found)

        self._wait(answered, number, found)
        assert "error" not in found[0], found[0]
        return found[0]["result"]

    def _wait(self, until: Any, number: int = 0, found: list[Any] | None = None, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not until():
            while b"\0" in self._buffer and not until():
                text, _, self._buffer = self._buffer.partition(b"\0")
                message = json.loads(text)
                if message.get("method") == "Page.loadEventFired":
                    self._loaded += 1
                if number and message.get("id") == number and found is not None:
                    found.append(message)
            if until():
                return
            left = end - time.monotonic()
            assert left > 0, "the browser does not answer"
            if select.select([self._read], [], [], min(left, 1.0))[0]:
                part = os.read(self._read, 1 << 20)
                assert part, "the browser has gone"
                self._buffer += part
