"""A hub on 127.0.0.1 for tests: the model-info address, files with checksums, redirects to a second host, and faults on demand."""
from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """One repository, `org/model`. `faults`: for a path, what happens to its next requests, in order:
    "drop:N" ends the connection after N bytes, "status:CODE" or "status:CODE:RETRY_AFTER", "no-range" answers 200 to a range,
    "spoil" changes a byte, "short:N" sends N bytes as if they were all."""

    def __init__(self, files: dict[str, bytes], large: set[str], token: str = "") -> None:
        self.files, self.large, self.token = files, large, token
        self.faults: dict[str, list[str]] = {}
        self.log: list[tuple[str, str, str | None, str | None]] = []   # host, path, range, authorization
        self.stores = [self._start("hub"), self._start("storage")]
        self.endpoint = f"http://127.0.0.1:{self.stores[0].server_port}"

    def _start(self, host: str) -> ThreadingHTTPServer:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                hub.answer(host, self)

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:   # the client went away: what some tests are about
                    pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def close(self) -> None:
        for server in self.stores:
            server.shutdown()
            server.server_close()

    def listing(self) -> bytes:
        siblings = []
        for name, data in self.files.items():
            entry = {"rfilename": name, "size": len(data), "blobId": blob_id(data)}
            if name in self.large:
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        return json.dumps({"id": "org/model", "sha": COMMIT, "siblings": siblings}).encode()

    def answer(self, host: str, request: BaseHTTPRequestHandler) -> None:
        path = unquote(request.path.split("?")[0])
        self.log.append((host, path, request.headers.get("Range"), request.headers.get("Authorization")))
        if host == "hub" and self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return self.send(request, 401, b"who are you?")
        name = path.split(f"/{COMMIT}/")[-1]
        fault = self.faults.get(name if host == "storage" or name not in self.large else "", [])
        kind = fault.pop(0) if fault else ""
        if kind.startswith("status:"):
            _, code, *wait = kind.split(":")
            return self.send(request, int(code), b"not now", {"Retry-After": wait[0]} if wait else {})
        if path in ("/api/models/org/model/revision/main", f"/api/models/org/model/revision/{COMMIT}"):
            return self.send(request, 200, self.listing())
        if not path.startswith((f"/org/model/resolve/{COMMIT}/", f"/blob/{COMMIT}/")) or name not in self.files:
            return self.send(request, 404, b"nothing here")
        if host == "hub" and name in self.large:   # large files lie on another host, under a signed address
            return self.send(request, 302, b"", {"Location": f"http://127.0.0.1:{self.stores[1].server_port}/blob/{COMMIT}/{name}?signature=x"})
        self.send_file(request, self.files[name], kind)

    def send_file(self, request: BaseHTTPRequestHandler, data: bytes, kind: str) -> None:
        begin, wanted = 0, request.headers.get("Range")
        if wanted and kind != "no-range":
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(data):
                return self.send(request, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
        body = data[begin:]
        if kind == "spoil":
            body = bytes([body[0] ^ 1]) + body[1:]
        if kind.startswith("short:"):
            body = body[:int(kind[6:])]
        headers = {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if begin else {}
        if kind.startswith("drop:"):
            request.send_response(206 if begin else 200)
            for key, value in (headers | {"Content-Length": str(len(body))}).items():
                request.send_header(key, value)
            request.end_headers()
            request.wfile.write(body[:int(kind[5:])])
            request.wfile.flush()
            request.close_connection = True
            return None
        return self.send(request, 206 if begin else 200, body, headers)

    @staticmethod
    def send(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        request.send_response(status)
        for key, value in ((headers or {}) | {"Content-Length": str(len(body))}).items():
            request.send_header(key, value)
        request.end_headers()
        request.wfile.write(body)
