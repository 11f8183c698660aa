"""optuna-dashboard on the store of all studies, for this machine only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna_dashboard import wsgi

from ..errors import InputError
from ..storage import Location, open_storage

#: The dashboard knows no users and writes to the store, so it is served to this machine alone.
HOST = "127.0.0.1"

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve(
    port: int = 8080,
    ready: Callable[[str], None] = lambda url: None,
    location: Location | None = None,
) -> None:
    """Serves every study until it is interrupted.

    Args:
        port: of this machine, 0 for one that is free.
        ready: is called with the address once the server listens.
        location: of the store; None is where `locate` finds it.

    Raises:
        InputError: there is no store yet, or the port is taken.
        StoreUnreadableError: the store cannot be read.
    """
    application = only_local(wsgi(open_storage(location)))
    try:
        server = make_server(HOST, port, application, _Server, _QuietHandler)
    except (OSError, OverflowError) as error:
        raise InputError(f"port {port} on {HOST} cannot be used: {error}") from error
    with server:
        ready(f"http://{HOST}:{server.server_port}/dashboard/")
        server.serve_forever()


def only_local(application: Application) -> Application:
    """Refuses requests that a page of another site sends through this machine's browser.

    Such a page can name this server (DNS rebinding, or a form that posts here), but the Host
    or the Origin that the browser sends along tell it.
    """

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        origin = environ.get("HTTP_ORIGIN", "")
        name = host.rsplit(":", 1)[0]
        if name not in (HOST, "localhost") or origin not in ("", f"http://{host}"):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"This dashboard answers its own machine only.\n"]
        return application(environ, start_response)

    return guarded


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True  # a browser may keep a connection open and say nothing


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: a line for each request helps no one here."""
