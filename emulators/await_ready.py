"""Prints an endpoint as soon as it answers.

Gives up when the server's process has ended, or after a minute, and then ends it.
Usage: await_ready.py ENDPOINT PATH PID
"""

import http.client
import os
import signal
import sys
import time
import urllib.request

SECONDS = 60

endpoint, path, server = sys.argv[1], sys.argv[2], int(sys.argv[3])
# This machine's own server is never behind a proxy.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
deadline = time.monotonic() + SECONDS
while time.monotonic() < deadline:
    try:
        os.kill(server, 0)
    except ProcessLookupError:
        sys.exit(f"{endpoint}: the server has ended")
    try:
        opener.open(endpoint + path, timeout=2).close()
    except (OSError, http.client.HTTPException):
        time.sleep(0.1)
        continue
    print(endpoint, flush=True)
    sys.exit()
os.kill(server, signal.SIGTERM)
sys.exit(f"{endpoint}: no answer within {SECONDS} seconds")
