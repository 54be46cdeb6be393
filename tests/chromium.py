"""A headless Chromium, as far as tests need one: open a page, ask it, type, click, take a picture.

It speaks the browser's DevTools protocol over a pair of pipes: JSON messages that end with a zero byte, so that no
package and no port are needed.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATH = next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """A browser with one page. Use it in a `with`; what a page logs as an error is in `.errors`."""

    def __init__(self, folder):
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()
        program = [PATH, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--no-first-run", "--window-size=1000,1400", f"--user-data-dir={folder}", "--remote-debugging-pipe"]
        # the browser reads its commands from descriptor 3 and answers on 4
        shell = ["bash", "-c", f'exec "$@" 3<&{read_commands} 4>&{write_answers}', "chromium", *program]
        with open(os.path.join(folder, "log"), "wb") as log:
            self._process = subprocess.Popen(shell, pass_fds=(read_commands, write_answers), stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log)
        os.close(read_commands)
        os.close(write_answers)
        self._rest, self._number, self.errors = b"", 0, []
        self._session = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def ask(self, method, **params):
        """Send a command; returns its result. Raises RuntimeError for what the browser refuses."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(60)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _receive(self, seconds):
        while b"\0" not in self._rest:
            if not select.select([self._answers], [], [], seconds)[0]:
                raise TimeoutError("no answer from the browser")
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self._rest += part
        text, self._rest = self._rest.split(b"\0", 1)
        message = json.loads(text)
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(message["params"]["exceptionDetails"]))
        if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.errors.append(str(message["params"]["entry"]))
        return message

    def open(self, url):
        """Go to a page, and wait until it's loaded."""
        self.ask("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    def value(self, expression):
        """What a JavaScript expression gives in the page. Raises RuntimeError if it throws."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression, seconds=60):
        """Wait until a JavaScript expression is true; returns its value. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not (found := self.value(expression)):
            if time.monotonic() > end:
                raise TimeoutError(f"{expression} isn't true after {seconds} s; errors of the page: {self.errors}")
            time.sleep(0.1)
        return found

    def click(self, selector):
        """Click in the middle of an element, as a mouse does."""
        x, y = self.value(f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{block: "center"}}); const r = e.getBoundingClientRect();
            return [r.x + r.width / 2, r.y + r.height / 2]; }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, key, code=0, text="", modifiers=0):
        """Press a key. code: its number, for keys that the browser itself knows. modifiers: 2 is Ctrl."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                     modifiers=modifiers, **({"text": text} if text and kind == "keyDown" else {}))

    def type(self, text):
        """Type into what has the focus, instead of all that's in it."""
        self.ask("Input.dispatchKeyEvent", type="keyDown", key="a", code="KeyA", windowsVirtualKeyCode=65, modifiers=2,
                 commands=["selectAll"])
        self.ask("Input.dispatchKeyEvent", type="keyUp", key="a", code="KeyA", windowsVirtualKeyCode=65, modifiers=2)
        self.ask("Input.insertText", text=text)

    def picture(self, path):
        """Save what the page looks like as a PNG."""
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
