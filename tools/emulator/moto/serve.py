"""Start moto's server with the named fixes, and fork copies of the whole account on request.

The front (the Go package beside this folder) is the only client. It starts this file and holds the
write end of our standard input; nothing is ever written there. When the front ends, however it
ends, that pipe closes and this process and all its forks exit.

The first line on standard output is {"socket": PATH, "pid": P}, printed once the socket answers.
POST /_moto/fork answers the same for a copy. POST /_moto/stop ends the process it is sent to.
GET /_moto/key?id=ID answers {"secret", "token"} of a key that IAM or STS issued.

moto checks no signature, so each process listens on a Unix socket in a folder that only the user
can enter. The front is the only way to it for everybody else.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs

# Both must be set before moto is imported.
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
# No web page may read an answer.
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
# Objects stay in memory: one in a temporary file would share its file offset between forks.
os.environ.setdefault("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", str(1 << 30))

from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server  # noqa: E402

import fixes  # noqa: E402

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
    """The WSGI application: moto behind the gate, and the /_moto/ calls."""

    def __init__(self) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.gate = Gate()
        self.folder = ""  # of the socket

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD")
        if path == "/_moto/fork" and method == "POST":
            return answer(start_response, *self.fork())
        if path == "/_moto/stop" and method == "POST":
            # Answer first, then go: the caller wants to know that it was heard.
            threading.Timer(0.05, leave, [self.folder]).start()
            return answer(start_response, "200 OK", {"stopping": os.getpid()})
        if path.startswith("/moto-api"):
            # It resets the account and changes how moto answers; nothing here uses it.
            error = {"error": "the API of moto itself is off"}
            return answer(start_response, "501 Not Implemented", error, "NotImplementedByEmulator")
        self.gate.enter()
        try:
            if path == "/_moto/key":
                id = parse_qs(environ.get("QUERY_STRING", "")).get("id", [""])[0]
                return answer(start_response, "200 OK", issued_key(id))
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


def issued_key(id: str) -> dict[str, Any]:
    """Secret and session token of a key that is valid now; empty if there is none.

    The keys of GetSessionToken and GetFederationToken are not among them: moto answers the same
    key, out of AWS's documentation, each time.
    """
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    for _, partitions in list(iam_backends.items()):
        for backend in list(partitions.values()):
            for user in list(backend.users.values()):
                for key in user.access_keys:
                    if key.access_key_id == id and key.status == "Active":
                        return {"secret": key.secret_access_key, "token": ""}
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    for _, partitions in list(sts_backends.items()):
        for backend in list(partitions.values()):
            for role in list(backend.assumed_roles):
                if role.access_key_id == id and role.expiration > now:
                    return {"secret": role.secret_access_key, "token": role.session_token}
    return {}


def run_copy(app: App, report: int) -> None:
    """Be the copy: fresh sockets, threads and gate over the inherited account. Never returns."""
    try:
        close_sockets()
        app.gate = Gate()
        # The lock of the dispatcher is free (the gate saw to it), but a new one costs nothing.
        app.moto.lock = threading.Lock()
        app.folder, server = listen(app)
        watch_stdin(app.folder)
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


def listen(app: App) -> tuple[str, BaseWSGIServer]:
    # The path of a socket has at most about 100 characters, so it is not in the front's folder.
    folder = tempfile.mkdtemp(prefix="moto-")
    path = os.path.join(folder, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(128)
        # Given the socket, werkzeug does not look up a name for it in the DNS.
        return folder, make_server(f"unix://{path}", 0, app, threaded=True, fd=listener.fileno())


def whoami(server: BaseWSGIServer) -> str:
    return json.dumps({"socket": server.server_address, "pid": os.getpid()}) + "\n"


def leave(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def watch_stdin(folder: str) -> None:
    """Exit as soon as the front is gone."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        leave(folder)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", required=True, help="of the front, for the URLs that moto makes")
    os.environ["MOTO_PORT"] = parser.parse_args().port
    # Ctrl-C reaches the whole process group; the front decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fixes.apply()
    app = App()
    app.folder, server = listen(app)
    watch_stdin(app.folder)
    sys.stdout.write(whoami(server))
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
