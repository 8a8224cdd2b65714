"""A headless Chromium through chromedriver's W3C interface: the few calls that a test of a page needs, no further package."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--mute-audio", "--window-size=1400,1000",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key under which the W3C protocol passes elements
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")


def missing() -> str:
    """Why there is no browser here, or an empty string."""
    if CHROMIUM is None:
        return "no Chromium on this machine (Debian: apt-get install chromium chromium-driver)"
    return "" if DRIVER else "no chromedriver on this machine (Debian: apt-get install chromium-driver)"


class Browser:
    """One headless window with a profile of its own; use as a context manager."""

    def __enter__(self) -> Browser:
        self._home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        # port 0: the driver takes a free one and says which
        self._driver = subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            self._base = f"http://127.0.0.1:{self._port()}/session"
            options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={self._home.name}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            session = self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
            self._base += f"/{session['sessionId']}"
        except BaseException:
            self._driver.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._call("DELETE", "", None)
        finally:
            self._driver.terminate()
            self._driver.wait(10)
            self._home.cleanup()

    def open(self, page: Path | str) -> None:
        """Load a file from disk, or an address, and wait for its load event."""
        self._call("POST", "/url", {"url": page if isinstance(page, str) else page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """What the JavaScript function body returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, *arguments: Any, seconds: float = 30) -> Any:
        """`run` until the answer is true; the last answer when the time is over."""
        until = time.monotonic() + seconds
        while not (answer := self.run(script, *arguments)) and time.monotonic() < until:
            time.sleep(0.1)
        return answer

    def click(self, selector: str) -> None:
        """A real click in the middle of the element."""
        self._call("POST", f"/element/{self._find(selector)}/click", {})

    def press(self, selector: str, keys: str) -> None:
        """Type `keys` (W3C code points) into the element."""
        self._call("POST", f"/element/{self._find(selector)}/value", {"text": keys})

    def resize(self, width: int, height: int) -> None:
        """Lay the page out for a screen of this size, a phone's too."""
        parameters = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._cdp("Emulation.setDeviceMetricsOverride", parameters)

    def dark(self, on: bool) -> None:
        """As if the system were set to dark colours, or to light ones."""
        self._cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]})

    def problems(self) -> list[str]:
        """What the console holds since the last call, from warnings up."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def screenshot(self, path: Path) -> None:
        """The window as a PNG."""
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot", None)))

    def _cdp(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _find(self, selector: str) -> str:
        return self._call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def _port(self) -> int:
        for line in self._driver.stdout:
            if "successfully on port" in line:
                return int(line.rstrip().rstrip(".").rpartition(" ")[2])
        raise RuntimeError("chromedriver ended before it was ready")

    def _call(self, verb: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=verb)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.loads(error.read())["value"]["message"]) from None
