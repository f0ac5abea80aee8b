"""A server that shows the page of a real `octavo serve` but answers its questions as a test says: with text no model would write, with
refusals, or not to the end."""
from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    pieces: list[str] = field(default_factory=list)
    ending: str = "stop"                 # a finish reason; "broken": the connection just ends; "endless": the last piece comes again
    status: int = 200
    retry_after: int = 0
    message: str = "no"


class StandIn:
    """`answers` are given in order, the last one again and again."""

    def __init__(self, real: str, model: str = "stand-in") -> None:
        self.real, self.model = real, model
        self.answers: list[Answer] = [Answer(["hello"])]
        self.bodies: list[Any] = []
        self.left = threading.Event()    # a client went away from an endless answer
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/v1/models":
                    self.send(200, json.dumps({"data": [{"id": stand_in.model}]}).encode(), "application/json")
                    return
                try:
                    with urllib.request.urlopen(stand_in.real + self.path) as page:
                        self.send(200, page.read(), page.headers["Content-Type"], page.headers["Content-Security-Policy"])
                except urllib.error.HTTPError as error:
                    self.send(error.code, b"", "text/plain")

            def do_POST(self) -> None:
                stand_in.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                answer = stand_in.answers.pop(0) if len(stand_in.answers) > 1 else stand_in.answers[0]
                if answer.status != 200:
                    body = json.dumps({"error": {"message": answer.message, "type": "t", "param": None, "code": answer.status}})
                    self.send(answer.status, body.encode(), "application/json", retry_after=answer.retry_after)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    self.stream(answer)
                except (BrokenPipeError, ConnectionResetError):
                    stand_in.left.set()

            def stream(self, answer: Answer) -> None:
                for piece in answer.pieces:
                    self.event({"choices": [self.choice(piece)]})
                while answer.ending == "endless":
                    self.event({"choices": [self.choice(answer.pieces[-1])]})
                if answer.ending == "broken":
                    return
                self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": answer.ending}]})
                count = len(answer.pieces)
                self.event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}})
                self.wfile.write(b"data: [DONE]\n\n")

            @staticmethod
            def choice(piece: str) -> dict[str, Any]:
                top = [{"token": piece, "logprob": -0.1}, {"token": "<b>other</b>", "logprob": -3.0}]
                return {"index": 0, "delta": {"content": piece}, "finish_reason": None,
                        "logprobs": {"content": [{"token": piece, "logprob": -0.1, "top_logprobs": top}]}}

            def event(self, data: dict[str, Any]) -> None:
                # A comment, as of keep-alive, and the line ends that proxies like to make.
                self.wfile.write(b": alive\r\n\r\ndata: " + json.dumps(data).encode() + b"\r\n\r\n")

            def send(self, status: int, body: bytes, kind: str, policy: str | None = None, retry_after: int = 0) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                if policy:
                    self.send_header("Content-Security-Policy", policy)
                if retry_after:
                    self.send_header("Retry-After", str(retry_after))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()
