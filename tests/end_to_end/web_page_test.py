#!/usr/bin/env python3
"""The page of `octavo serve` in a real browser: chat, keyboard, engine view, failures and hostile text.

Needs the program (OCTAVO, else build/release/bin/octavo), models/demo and a Chromium (OCTAVO_BROWSER names one); skips and says why."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import unittest
import urllib.request
from pathlib import Path
from typing import Any

from browser import Browser, Page, found_browser
from model_stand_in import Answer, StandIn

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo"))
MODEL = os.environ.get("OCTAVO_MODEL", "models/demo")
KEY = "end-to-end-key"
NAME = "<img src=x onerror='window.hacked=1'>"
READY = "document.querySelector('#model').options.length"
DONE = "document.querySelector('article.assistant[aria-busy=false]')"
NOISE = "Failed to load resource"   # what a browser says of each answer that is no 2xx


class Server:
    """The program on a free port; its one line on stdout says which."""

    def __init__(self, *flags: str) -> None:
        args = [str(PROGRAM), "serve", MODEL, "--port", "0", "--max-model-len", "512", *flags]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "http://" in line, f"no ready line: {line!r}"
        self.url = line[line.rindex("http://"):].strip()

    def complete(self, prompt: str, tokens: int) -> Any:
        body = json.dumps({"prompt": prompt, "max_tokens": tokens, "ignore_eos": True}).encode()
        request = urllib.request.Request(self.url + "/v1/completions", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


def texts(page: Page, selector: str) -> list[str]:
    found = page.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText)")
    assert isinstance(found, list)
    return found


@unittest.skipUnless(PROGRAM.is_file(), f"{PROGRAM} is not built")
@unittest.skipUnless(MODEL, "OCTAVO_MODEL names no model directory")
@unittest.skipUnless(found_browser(), "no Chromium is installed")
class WebPageTest(unittest.TestCase):
    server: Server
    browser: Browser
    stand_in: StandIn

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server("--served-model-name", NAME)
        cls.stand_in = StandIn(cls.server.url)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.browser.close()
        cls.stand_in.close()
        cls.server.end()

    def open(self, url: str, width: int = 1280) -> Page:
        page = self.browser.new_page(width)
        page.open(url)
        page.wait(READY)
        self.addCleanup(self.check, page)
        return page

    def check(self, page: Page) -> None:
        """No page may have asked anyone else, run what a stranger wrote, or made a console complain."""
        strangers = [url for url in page.requests if not url.startswith(("http://127.0.0.1:", "about:", "blob:"))]
        self.assertEqual(strangers, [])
        self.assertEqual([text for text in page.problems if NOISE not in text], [])
        self.assertFalse(page.run("!!window.hacked"))

    def ask(self, page: Page, text: str) -> None:
        page.click("#text")
        page.type(text)
        page.press("Enter")

    def scripted(self, *answers: Answer) -> Page:
        self.stand_in.answers = list(answers)
        self.stand_in.bodies.clear()
        return self.open(self.stand_in.url)

    # -- with the real engine

    def test_answer_streams_and_can_be_had_again(self) -> None:
        page = self.open(self.server.url)
        self.assertEqual(texts(page, "#model option"), [NAME])
        page.run("""window.lengths = new Set(); new MutationObserver(() => {
          const body = document.querySelector('article.assistant .body');
          if (body) lengths.add(body.textContent.length); }).observe(document.querySelector('#log'), {subtree: true, childList: true, characterData: true})""")
        self.ask(page, "What is 12 plus 30?")
        page.wait(DONE)
        self.assertGreater(page.run("lengths.size"), 2)
        self.assertRegex(page.text("article.assistant .figures"), r"^\d+ \+ \d+ tokens · first after [\d.]+ m?s · [\d.]+ tokens/s$")
        page.run(f"document.querySelector('article.assistant').id = 'old'; [...document.querySelectorAll('article.assistant button')]"
                 ".find((b) => b.innerText === 'Regenerate').click()")
        page.wait(f"!document.querySelector('#old') && {DONE}")
        self.assertEqual(len(texts(page, "article")), 2)
        kept = texts(page, "article .body")
        page.open(self.server.url)
        self.assertEqual(texts(page, "article .body"), kept)
        page.click("#new-chat")
        self.assertEqual(texts(page, "article"), [])

    def test_pointing_at_a_token_shows_its_probabilities(self) -> None:
        page = self.open(self.server.url)
        self.ask(page, "Where is Ella?")
        page.wait(DONE)
        page.run("document.querySelector('article.assistant button[aria-pressed]').click()")
        page.point(".tokens span:nth-child(2)")
        page.wait("!document.querySelector('#alternatives').hidden")
        shown = texts(page, "#alternatives td.n")
        self.assertGreaterEqual(len(shown), 5)
        for text in shown:
            self.assertRegex(text, r"^(< 0\.1|[\d.]+) %$")
        self.assertEqual(len(texts(page, "#alternatives tr.chosen")), 1)

    def test_keyboard_is_enough(self) -> None:
        page = self.open(self.server.url)
        page.run("document.activeElement.blur()")
        page.press("Tab", "Enter")   # the link that skips to the message field
        page.type("Where is Ana?")
        page.press("Shift+Enter")
        page.type("And Ella?")
        page.press("Enter")
        page.wait(DONE)
        self.assertEqual(texts(page, "article.user .body"), ["Where is Ana?\nAnd Ella?"])
        page.wait("document.activeElement.id === 'text'")
        page.press("ArrowUp")        # edits the last message
        page.wait("document.activeElement.closest('article.user')")
        page.run("document.activeElement.select()")
        page.type("Who has the kite?")
        page.press("Enter")
        page.wait(f"document.querySelector('article.user .body').innerText === 'Who has the kite?' && {DONE}")
        page.wait("document.activeElement.id === 'text'")
        page.press("Shift+Tab")
        self.assertEqual(page.run("document.activeElement.innerText"), "Probabilities")
        page.press(" ", "Shift+Tab", "Shift+Tab", "Shift+Tab")
        self.assertEqual(page.run("document.activeElement.className"), "tokens")
        page.press("ArrowRight", "ArrowRight", "ArrowLeft")
        self.assertTrue(page.run("!document.querySelector('#alternatives').hidden"))
        self.assertTrue(page.run("document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).matches(':nth-child(2)')"))
        page.press("Escape")
        self.assertTrue(page.run("document.querySelector('#alternatives').hidden"))

    def test_engine_view_shows_blocks_and_requests(self) -> None:
        page = self.open(self.server.url + "/#engine")
        load = threading.Thread(target=self.server.complete, args=("Once upon a time there was a small mill", 300))
        load.start()
        self.addCleanup(load.join)
        page.wait("document.querySelector('canvas.blocks').getAttribute('aria-label').match(/^[1-9]\\d* blocks: /)")
        page.wait("document.querySelector('.timeline rect.state-decode')")
        load.join()
        page.wait("[...document.querySelectorAll('.tiles div')].some((e) => /generated/.test(e.innerText) && /[1-9]/.test(e.innerText))")
        page.wait("document.querySelectorAll('figure path.line').length >= 8")
        page.run("location.hash = 'chat'")
        page.wait("document.querySelector('#engine-view').hidden")
        looks = sum("/engine/state" in url for url in page.requests)
        self.assertGreater(looks, 0)
        for _ in range(2):           # work that takes longer than a look every second would
            self.server.complete("Once upon a time", 400)
        page.run("1")
        self.assertEqual(sum("/engine/state" in url for url in page.requests), looks)

    def test_state_tells_no_text_and_needs_the_key(self) -> None:
        server = Server("--api-key", KEY)
        self.addCleanup(server.end)
        page = self.browser.new_page()
        page.open(server.url)
        page.wait("document.activeElement.id === 'key'")
        self.assertIn("401", page.text("#model-note"))
        page.type("wrong")
        page.press("Enter", "Tab")
        page.wait("document.querySelector('#model-note').innerText.includes('401')")
        self.ask(page, "Hello")
        page.wait("!document.querySelector('#problem').hidden && document.querySelector('#problem').innerText.includes('401')")
        self.assertEqual(len(texts(page, "article")), 1)
        page.run("document.querySelector('#key').select()")
        page.wait("document.activeElement.id === 'key'")
        page.type(KEY)
        page.press("Tab")
        page.wait(READY)
        self.ask(page, "Hello")
        page.wait(DONE)
        self.assertIn(KEY, page.run("JSON.stringify(sessionStorage)"))
        self.assertNotIn(KEY, page.run("JSON.stringify(localStorage)"))
        state = page.run(f"fetch('engine/state', {{headers: {{Authorization: 'Bearer {KEY}'}}}}).then((r) => r.text())")
        self.assertNotIn("Hello", state)
        self.assertEqual(page.run("fetch('engine/state').then((r) => r.status)"), 401)
        self.check(page)

    def test_page_forbids_everything_from_elsewhere(self) -> None:
        for path in ("/", "/web/page.js", "/web/page.css", "/web/icon.svg"):
            with urllib.request.urlopen(self.server.url + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                self.assertTrue(policy.startswith("default-src 'none';"), policy)
                self.assertIn("frame-ancestors 'none'", policy)
                self.assertNotIn("unsafe", policy)
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        for path in ("/web/", "/web/../page.js", "/web/%2e%2e/x", "/web/none.js"):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(self.server.url + path)
            self.assertEqual(refused.exception.code, 404)
            refused.exception.close()

    def test_nothing_is_wider_than_a_phone(self) -> None:
        page = self.open(self.server.url, width=360)
        page.resize(360, 640)
        self.ask(page, "Where is Ella? " + "x" * 300)
        page.wait(DONE)
        width = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, ...[...document.querySelectorAll('main')].map((e) => e.scrollWidth))"
        self.assertLessEqual(page.run(width), 360)
        page.click("#settings-panel > summary")
        self.assertLessEqual(page.run(width), 360)
        page.run("location.hash = 'engine'")
        page.wait("document.querySelector('.tiles div')")
        self.assertLessEqual(page.run(width), 360)

    # -- with scripted answers

    def test_hostile_answer_stays_text(self) -> None:
        hostile = ["<script>window.hacked=1</script>", "<img src=x onerror=window.hacked=1>\n\n", "[go](javascript:window.hacked=1) ",
                   "[site](http://127.0.0.1/x\"onclick=\"window.hacked=1) ", "![pixel](http://203.0.113.9/pixel.png)\n\n",
                   "```<b>html\n<iframe src=http://203.0.113.9></iframe>\n```\n", "| <i>a</i> | b |\n|---|---|\n| <svg onload=window.hacked=1> | c |\n"]
        page = self.scripted(Answer(hostile))
        self.ask(page, "<b>bold</b>")
        page.wait(DONE)
        self.assertEqual(page.run("document.querySelectorAll('#log script, #log img, #log iframe, #log svg, #log b, #log i, #log [onclick], #log [onload]').length"), 0)
        self.assertEqual(texts(page, "article.user .body"), ["<b>bold</b>"])
        self.assertIn("<script>window.hacked=1</script><img src=x onerror=window.hacked=1>", page.text("article.assistant .body"))
        self.assertTrue(all(url.startswith("http") for url in page.run("[...document.querySelectorAll('#log a')].map((a) => a.href)")))
        page.run("document.querySelector('article.assistant button[aria-pressed]').click()")
        page.point(".tokens span:nth-child(1)")
        page.wait("!document.querySelector('#alternatives').hidden")
        self.assertIn("<b>other</b>", page.text("#alternatives"))
        self.assertEqual(page.run("document.querySelectorAll('#alternatives b').length"), 0)

    def test_markdown_becomes_elements(self) -> None:
        text = ("# Title\n\nSome **bold**, *slanted*, `code` and snake_case_name, 2 * 3 * 4; https://example.org/a_b.\nnext line\n\n"
                "1. one\n2. two\n   - inner\n\n> said\n\n| a | b |\n|---|--:|\n| 1 | **2** |\n\n```python\nif a < b:\n    print(\"**no**\")\n```\nend ```")
        page = self.scripted(Answer([text[i:i + 7] for i in range(0, len(text), 7)]))
        self.ask(page, "x")
        page.wait(DONE)
        body = page.run("document.querySelector('article.assistant .markdown').innerHTML")
        for part in ("<h4>Title</h4>", "<strong>bold</strong>", "<em>slanted</em>", "<code>code</code>", "snake_case_name, 2 * 3 * 4;",
                     ">https://example.org/a_b</a>.<br>next line", "<ol><li>one</li><li>two<ul><li>inner</li></ul></li></ol>",
                     "<blockquote><p>said</p></blockquote>", "<td>1</td><td><strong>2</strong></td>", "if a &lt; b:\n    print(\"**no**\")</code></pre>",
                     "<p>end ```</p>"):
            self.assertIn(part, body)

    def test_hostile_markdown_takes_linear_time(self) -> None:
        for piece in ("**", "[", "`a``b", "_a *b ", "> ", "- ", "|-|\n", "](", "https://", "~~~"):
            page = self.scripted(Answer([piece * (60000 // len(piece))]))
            self.ask(page, "x")
            page.wait(DONE, seconds=20)

    def test_stop_ends_an_endless_answer(self) -> None:
        page = self.scripted(Answer(["word "], ending="endless"))
        self.stand_in.left.clear()
        self.ask(page, "x")
        page.wait("document.querySelector('article.assistant .body').innerText.length > 10")
        page.press("Escape")
        page.wait(DONE)
        self.assertTrue(self.stand_in.left.wait(60))
        self.assertIn("stopped", page.text("article.assistant .figures"))
        self.assertTrue(page.run("document.querySelector('#stop').hidden && document.querySelector('#problem').hidden"))

    def test_full_server_is_told_and_asked_again(self) -> None:
        page = self.scripted(Answer(status=429, retry_after=7, message="queue is full"), Answer(status=503, message="draining"), Answer(["at last"]))
        self.ask(page, "x")
        page.wait("!document.querySelector('#problem').hidden")
        self.assertIn("(429): queue is full", page.text("#problem"))
        self.assertRegex(page.text("#problem button"), r"^Try again \(best in [5-7] s\)$")
        page.run("document.querySelector('#problem button').click()")
        page.wait("document.querySelector('#problem').innerText.includes('(503): draining')")
        page.run("document.querySelector('#problem button').click()")
        page.wait(DONE)
        self.assertEqual(texts(page, "article .body"), ["x", "at last"])
        self.assertTrue(page.run("document.querySelector('#problem').hidden"))

    def test_broken_answer_is_kept_and_can_be_had_whole(self) -> None:
        page = self.scripted(Answer(["half "], ending="broken"), Answer(["whole"]))
        self.ask(page, "x")
        page.wait("!document.querySelector('#problem').hidden")
        self.assertIn("ended early", page.text("#problem"))
        self.assertEqual(texts(page, "article.assistant .body"), ["half"])
        page.run("document.querySelector('#problem button').click()")
        page.wait("document.querySelector('article.assistant .body').innerText === 'whole'")

    def test_parameters_are_sent_and_empty_ones_are_not(self) -> None:
        page = self.scripted(Answer(["ok"]))
        self.ask(page, "x")
        page.wait(DONE)
        bare = self.stand_in.bodies[0]
        self.assertEqual(set(bare), {"messages", "stream", "stream_options", "model", "logprobs", "top_logprobs"})
        values = {"system": "Be brief.", "temperature": "0.5", "top_p": "0.9", "top_k": "40", "min_p": "0.05", "max_tokens": "32", "seed": "-7",
                  "presence_penalty": "0.1", "frequency_penalty": "0.2", "repetition_penalty": "1.1", "stop": "END\n\n###"}
        page.run(f"""for (const [name, value] of Object.entries({json.dumps(values)})) {{
          const field = document.querySelector('#settings').elements[name]; field.value = value;
          field.dispatchEvent(new Event('input', {{bubbles: true}})); }}
          document.querySelector('#logprobs').click()""")
        self.ask(page, "y")
        page.wait("document.querySelectorAll('article.assistant[aria-busy=false]').length && document.querySelectorAll('article').length === 4"
                  " && document.querySelector('#stop').hidden")
        sent = self.stand_in.bodies[1]
        expected = {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "max_tokens": 32, "seed": -7, "presence_penalty": 0.1,
                    "frequency_penalty": 0.2, "repetition_penalty": 1.1, "stop": ["END", "###"]}
        self.assertEqual({name: sent.get(name) for name in expected}, expected)
        self.assertNotIn("logprobs", sent)
        self.assertEqual([message["role"] for message in sent["messages"]], ["system", "user", "assistant", "user"])
        page.run("document.querySelector('#temperature').value = '9'")
        self.ask(page, "z")
        self.assertEqual(len(self.stand_in.bodies), 2)
        page.open(self.stand_in.url)
        self.assertEqual(page.run("document.querySelector('#top_k').value"), "40")


if __name__ == "__main__":
    unittest.main()
