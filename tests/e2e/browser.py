"""Headless Chromium in a guest's namespace, driven over the DevTools pipe.

It clicks and types as a person does and reads the page's tree, so it works with scripts switched off as well.
"""

import base64
import fcntl
import json
import os
import pathlib
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}


class Browser:
    def __init__(self, ns, scripts=True, authority=None):
        self.profile = pathlib.Path(tempfile.mkdtemp(prefix="poblano-browser-"))
        self.buffer, self.number, self.events = b"", 0, []
        ours, theirs = self.pipes()
        program = [
            *(shutil.which("chromium") or "chromium", "--headless=new", "--no-sandbox", "--remote-debugging-pipe"),
            *("--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"),
            *(f"--user-data-dir={self.profile}", "about:blank"),
        ]
        if authority:
            self.trust(authority)
        # Chromium reads commands from descriptor 3 and answers on 4.
        line = f"exec {shlex.join(program)} 3<&{theirs[0]} 4>&{theirs[1]}"
        self.log = (self.profile / "log").open("w")
        self.process = ns.spawn(
            *("bash", "-c", line),
            **{"pass_fds": theirs, "stdout": self.log, "stderr": self.log, "start_new_session": True},
            env={**os.environ, "HOME": str(self.profile)},
        )
        for fd in theirs:
            os.close(fd)
        self.output, self.input = ours
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Page.bringToFront")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.call("Emulation.setDeviceMetricsOverride", **PHONE)
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)

    def trust(self, authority):
        """As a person does who installs an authority's certificate."""
        store = self.profile / ".pki" / "nssdb"
        store.mkdir(parents=True)
        for argv in (["-N", "--empty-password"], ["-A", "-n", "test", "-t", "C,,", "-i", str(authority)]):
            subprocess.run(["certutil", "-d", f"sql:{store}", *argv], check=True, capture_output=True)

    def dress(self, width=390, scheme="light", language="en"):
        """How wide the window is, whether the person wants dark pages, and what is read."""
        size = {"width": width, "height": 844, "deviceScaleFactor": 2 if width < 768 else 1, "mobile": width < 768}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Network.enable")
        self.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})

    def ask(self, script):
        """What a script of ours, not of the page, finds out."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    @staticmethod
    def pipes():
        """((to chromium, from chromium), (its input, its output)), all above the numbers that the shell gives out."""
        low = [*os.pipe(), *os.pipe()]
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in low]
        for fd in low:
            os.close(fd)
        commands_out, commands_in, answers_out, answers_in = high
        return (commands_in, answers_out), (commands_out, answers_in)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != self.number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def receive(self, seconds=30):
        """The next message of the browser."""
        end = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            if not select.select([self.input], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(f"chromium does not answer; events: {[e.get('method') for e in self.events]}")
            piece = os.read(self.input, 1 << 20)
            if not piece:
                raise RuntimeError(f"chromium ended:\n{(self.profile / 'log').read_text()[-2000:]}")
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def navigate(self, act):
        """Does what leads to another page and waits until that one is loaded."""
        self.events.clear()
        act()
        for wanted in ("Page.frameNavigated", "Page.loadEventFired"):
            while True:
                event = self.events.pop(0) if self.events else self.receive()
                if event.get("method") == wanted:
                    break

    def open(self, url):
        self.navigate(lambda: self.call("Page.navigate", url=url))
        return self

    @property
    def url(self):
        history = self.call("Page.getNavigationHistory")
        return history["entries"][history["currentIndex"]]["url"]

    def node(self, selector):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        return self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]

    @property
    def page(self):
        return self.call("DOM.getOuterHTML", nodeId=self.node("html"))["outerHTML"]

    def type(self, selector, text):
        self.click(selector, navigates=False)
        self.call("Input.insertText", text=text)

    def click(self, selector, navigates=True):
        node = self.node(selector)
        self.call("DOM.scrollIntoViewIfNeeded", nodeId=node)
        corners = self.call("DOM.getBoxModel", nodeId=node)["model"]["content"]
        where = {"x": (corners[0] + corners[4]) / 2, "y": (corners[1] + corners[5]) / 2}

        def press():
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **where)

        self.navigate(press) if navigates else press()

    def screenshot(self, file):
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        file.write_bytes(base64.b64decode(picture))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
        for fd in (self.output, self.input):
            os.close(fd)
        shutil.rmtree(self.profile, ignore_errors=True)
