"""Answers every request with the version that was built into the image."""

import http.server
import os
import signal
import sys

VERSION = os.environ.get("VERSION", "unknown")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"version {VERSION}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


# ECS stops a task with SIGTERM; who does not listen is killed half a minute later.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(f"version {VERSION} listens on port 8080")
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
