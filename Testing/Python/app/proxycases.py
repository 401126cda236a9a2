"""A reverse proxy below a prefix, as JupyterHub's or nginx's: it takes the prefix away, and keeps the host."""

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


def _handler(prefix, port):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            if not self.path.startswith(prefix):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            behind = http.client.HTTPConnection("127.0.0.1", port)
            behind.putrequest(self.command, self.path[len(prefix) - 1 :], skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    behind.putheader(name, value)
            behind.putheader("Content-Length", str(len(body)))
            behind.endheaders(body)
            self.answer(behind.getresponse())
            behind.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

        def answer(self, answer):
            """Send an answer on as it comes: events must not wait for others."""
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                while part := answer.read1(65536):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            except (OSError, http.client.IncompleteRead):  # the page or the server has gone
                self.close_connection = True

        def log_message(self, *_arguments):
            """Print nothing."""

    return Handler


@contextmanager
def proxied(port, prefix):
    """A proxy that serves what a port of this computer has below a prefix ("/.../"); gives its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(prefix, port))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
