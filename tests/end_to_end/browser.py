"""A headless Chromium, driven over its own DevTools pipe (two file descriptors, messages that end in NUL), so that the tests need
neither a driver program nor a package. Everything it does on the network, on the console and wrong is kept for the tests to look at."""
from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), "ArrowRight": (39, ""), "ArrowLeft": (37, ""), "ArrowUp": (38, ""),
        "ArrowDown": (40, ""), "Home": (36, ""), "End": (35, ""), " ": (32, " ")}


def found_browser() -> str:
    """The program, or the empty string. OCTAVO_BROWSER names another."""
    return os.environ.get("OCTAVO_BROWSER") or next((path for name in NAMES if (path := shutil.which(name))), "")


class Failure(AssertionError):
    """The page or the browser did not do what was waited for."""


class Browser:
    """One process; pages() are tabs of it, each with storage of its own."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="octavo-browser-"))
        to_browser, self.write_end = os.pipe()
        self.read_end, from_browser = os.pipe()
        # The browser's ends are 3 and 4 over there; a shell moves them, as the numbers here are any.
        script = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$0" "$@"'
        args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--disable-dev-shm-usage", "--hide-scrollbars",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--mute-audio",
                "--no-default-browser-check", "--disable-extensions", "--disable-domain-reliability", "--password-store=basic",
                "--dns-prefetch-disable", "--disable-features=Translate,OptimizationHints,MediaRouter", f"--user-data-dir={self.home}", "about:blank"]
        self.process = subprocess.Popen(["bash", "-c", script, found_browser(), *args], pass_fds=(to_browser, from_browser),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.bytes = b""
        self.last_id = 0
        self.pages: dict[str, Page] = {}

    def call(self, method: str, params: dict[str, Any] | None = None, session: str | None = None) -> Any:
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params or {}} | ({"sessionId": session} if session else {})
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        wanted = self.last_id
        end = time.monotonic() + 120
        while True:
            answer = self.next_message(end)
            if answer is None:
                raise Failure(f"the browser did not answer {method}")
            if answer.get("id") == wanted:
                if "error" in answer:
                    raise Failure(f"{method}: {answer['error']}")
                return answer["result"]

    def next_message(self, end: float) -> dict[str, Any] | None:
        """The next message; events have been handed to their page. None when `end` (monotonic) has come."""
        while b"\0" not in self.bytes:
            if not select.select([self.read_end], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            more = os.read(self.read_end, 1 << 20)
            if not more:
                raise Failure("the browser ended")
            self.bytes += more
        text, self.bytes = self.bytes.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        if "method" in message and message.get("sessionId") in self.pages:
            self.pages[message["sessionId"]].event(message["method"], message["params"])
        return message

    def new_page(self, width: int = 1280, height: int = 800) -> "Page":
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        return page

    def close(self) -> None:
        try:
            self.call("Browser.close")
        except (Failure, OSError):
            pass
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.write_end)
        os.close(self.read_end)
        shutil.rmtree(self.home, ignore_errors=True)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser, self.session = browser, session
        self.requests: list[str] = []     # addresses asked for
        self.problems: list[str] = []     # console errors and warnings, exceptions, refusals of the content policy
        self.opened = 0                   # documents loaded

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        return self.browser.call(method, params, self.session)

    def event(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Page.loadEventFired":
            self.opened += 1

    def open(self, url: str) -> None:
        before = self.opened
        self.call("Page.navigate", {"url": url})
        end = time.monotonic() + 60
        while self.opened == before:
            if self.browser.next_message(end) is None:
                raise Failure(f"{url} did not load")

    def run(self, script: str) -> Any:
        """The value of an expression, promises resolved."""
        answer = self.call("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True, "userGesture": True})
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failure(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> Any:
        """The first truthy value of an expression that is evaluated again in each frame the page draws."""
        script = f"""new Promise((done) => {{
          const end = performance.now() + {1000 * seconds};
          const look = () => {{
            let value = null;
            try {{ value = ({condition}); }} catch {{}}
            if (value || performance.now() > end) done(value instanceof Node ? true : value || null); else setTimeout(look, 20);
          }};
          look();
        }})"""
        value = self.run(script)
        if not value:
            raise Failure(f"never true: {condition}; the page says {self.run('document.body.innerText')!r}")
        return value

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def place(self, selector: str) -> tuple[float, float]:
        """The middle of an element, scrolled into view."""
        script = f"""(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'nearest'}});
          const r = e.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2]; }})()"""
        x, y = self.run(script)
        return x, y

    def point(self, selector: str) -> None:
        x, y = self.place(selector)
        self.call("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})

    def click(self, selector: str) -> None:
        x, y = self.place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1})

    def type(self, text: str) -> None:
        self.call("Input.insertText", {"text": text})

    def press(self, *keys: str) -> None:
        """Keys one after the other; "Shift+Enter" holds the first."""
        for combination in keys:
            *held, key = combination.split("+")
            code, text = KEYS[key]
            event = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code,
                     "modifiers": sum(MODIFIERS[name] for name in held)}
            self.call("Input.dispatchKeyEvent", {"type": "keyDown", **({"text": text} if text else {}), **event})
            self.call("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})

    def prefer(self, scheme: str) -> None:
        self.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", {"format": "png"})["data"]))
