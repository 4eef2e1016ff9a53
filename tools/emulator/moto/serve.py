"""Start moto's server with the named fixes, and fork copies of the whole account on request.

The front (the Go package beside this folder) is the only client. It starts this file and holds the
write end of our standard input; nothing is ever written there. When the front ends, however it
ends, that pipe closes and this process and all its forks exit.

The first line on standard output is {"port": N, "pid": P}, printed once the port answers.
POST /_moto/fork answers the same for a copy. POST /_moto/stop ends the process it is sent to.
Everything listens on 127.0.0.1 only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import Any

# Both must be set before moto is imported.
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
# Objects stay in memory: one in a temporary file would share its file offset between forks.
os.environ.setdefault("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", str(1 << 30))

from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server  # noqa: E402

import fixes  # noqa: E402

HOST = "127.0.0.1"
QUIET_TIMEOUT = 30.0  # seconds that a fork waits for the calls in flight


class Gate:
    """Lets many calls run at once, or one fork while none runs.

    A fork copies only the thread that forks. If another thread were inside moto it would leave
    half a change and perhaps a locked lock in the copy, for ever.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._forking = False

    def enter(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._forking)
            self._running += 1

    def leave(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def close(self) -> bool:
        """Stop letting calls in and wait until none runs; False after QUIET_TIMEOUT."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: not self._forking, timeout=QUIET_TIMEOUT
            ):
                return False
            self._forking = True
            if self._changed.wait_for(
                lambda: self._running == 0, timeout=QUIET_TIMEOUT
            ):
                return True
            self._forking = False
            self._changed.notify_all()
            return False

    def open(self) -> None:
        with self._changed:
            self._forking = False
            self._changed.notify_all()


class App:
    """The WSGI application: moto behind the gate, and the two /_moto/ calls."""

    def __init__(self) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.gate = Gate()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD")
        if path == "/_moto/fork" and method == "POST":
            return answer(start_response, *self.fork())
        if path == "/_moto/stop" and method == "POST":
            # Answer first, then go: the caller wants to know that it was heard.
            threading.Timer(0.05, os._exit, [0]).start()
            return answer(start_response, "200 OK", {"stopping": os.getpid()})
        self.gate.enter()
        try:
            # Moto's replies are complete lists, not generators: nothing of moto runs after this.
            return self.moto(environ, start_response)
        except Exception as e:
            # The front turns this into an error in the service's own form. 501: SDKs repeat a 500.
            traceback.print_exc()
            code = (
                "NotImplementedByEmulator"
                if isinstance(e, NotImplementedError)
                else "EmulatorCrashed"
            )
            error = {"error": f"{type(e).__name__}: {e}"}
            return answer(start_response, "501 Not Implemented", error, code)
        finally:
            self.gate.leave()

    def fork(self) -> tuple[str, dict[str, Any]]:
        if not self.gate.close():
            return "503 Service Unavailable", {
                "error": f"calls were still running after {QUIET_TIMEOUT:.0f} s; nothing was forked"
            }
        read, write = os.pipe()
        try:
            pid = os.fork()
        except OSError as e:
            os.close(read)
            os.close(write)
            self.gate.open()
            return "503 Service Unavailable", {"error": f"fork failed: {e}"}
        if pid == 0:
            run_copy(self, write)  # never returns
        self.gate.open()
        os.close(write)
        with os.fdopen(read) as pipe:
            line = pipe.readline()
        # Somebody has to collect the copy's exit status, or it stays as a zombie.
        threading.Thread(target=os.waitpid, args=(pid, 0), daemon=True).start()
        if not line:
            return "500 Internal Server Error", {
                "error": f"the copy (process {pid}) died at once; see the log"
            }
        return "200 OK", json.loads(line)


def run_copy(app: App, report: int) -> None:
    """Be the copy: fresh sockets, threads and gate over the inherited account. Never returns."""
    try:
        close_sockets()
        app.gate = Gate()
        # The lock of the dispatcher is free (the gate saw to it), but a new one costs nothing.
        app.moto.lock = threading.Lock()
        server = listen(app, 0)
        watch_stdin()
        with os.fdopen(report, "w") as pipe:
            pipe.write(whoami(server))
        server.serve_forever()
    except BaseException as e:
        print(f"copy failed: {e!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(1)


def close_sockets() -> None:
    """Close inherited sockets: the parent's port and its clients' connections."""
    for fd in [int(name) for name in os.listdir("/dev/fd")]:  # Linux and macOS have it
        try:
            if fd > 2 and stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.close(fd)
        except OSError:
            pass  # the listing's own file, closed by now


def answer(
    start_response: Any, status: str, value: dict[str, Any], error: str = ""
) -> Iterable[bytes]:
    body = json.dumps(value).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if error:
        headers.append(("X-Emulator-Error", error))
    start_response(status, headers)
    return [body]


def listen(app: App, port: int) -> BaseWSGIServer:
    server = make_server(HOST, port, app, threaded=True)
    # ARNs and URLs that moto makes up name this port.
    os.environ["MOTO_PORT"] = str(server.server_port)
    return server


def whoami(server: BaseWSGIServer) -> str:
    return json.dumps({"port": server.server_port, "pid": os.getpid()}) + "\n"


def watch_stdin() -> None:
    """Exit as soon as the front is gone."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    args = parser.parse_args()
    # Ctrl-C reaches the whole process group; the front decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fixes.apply()
    server = listen(App(), args.port)
    watch_stdin()
    sys.stdout.write(whoami(server))
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
