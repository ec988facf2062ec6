#!/usr/bin/env python3
"""test_http_client.py HTTP_GET - the HTTP client against servers that behave, and that do not."""
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

DRIVER = sys.argv[1]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="penstock-http-"))


class Server:
    """Hands each accepted connection to behave(connection, index) on its own thread."""

    def __init__(self, behave, context=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.behave, self.context, self.connections = behave, context, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            index, self.connections = self.connections, self.connections + 1
            threading.Thread(target=self.serve, args=(connection, index), daemon=True).start()

    def serve(self, connection, index):
        try:
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.behave(connection, index)
            connection.close()
        except (OSError, AttributeError):  # the client went away; head_of said None
            pass


def head_of(connection):
    """Reads one request; its path, or None at the end of the connection."""
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        got = connection.recv(4096)
        if not got:
            return None
        text += got
    return text.split()[1].decode()


def answer(body, *headers, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def echo(connection, _index):
    """The path is the body, for as long as the client asks."""
    while (path := head_of(connection)) is not None:
        connection.sendall(answer(path.encode(), f'ETag: "{path[1:]}"'))


def drive(server, commands, *options, host="localhost", ca="-"):
    """The lines that the client printed for these commands, split into words."""
    done = subprocess.run([DRIVER, host, str(server.port if server else 1), ca, *map(str, options)],
                          input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return [line.split(" ", 6) for line in done.stdout.splitlines() if line != "."]


def one(rows, path):
    got = [row for row in rows if row[0] == path]
    assert len(got) == 1, (path, rows)
    return got[0]


def case_connections_are_kept():
    server = Server(echo)
    paths = [f"/{n}" for n in range(200)]
    rows = drive(server, [f"get {path}" for path in paths] + ["wait", "counters"], 4)
    for path in paths:
        _, status, http, length, cut, _, etag = one(rows[:-1], path)
        assert (status, http, int(length), cut) == ("OK", "200", len(path), "0"), rows
        assert etag == f'"{path[1:]}"', etag
    connects, _, failures, requests, _, _ = map(int, rows[-1])
    assert (server.connections, connects, failures, requests) == (4, 4, 0, 200), rows[-1]


def case_a_kept_connection_that_was_closed_costs_nothing():
    def twice(connection, _index):
        for _ in range(2):  # then it closes, without a word
            connection.sendall(answer(head_of(connection).encode()))

    server = Server(twice)
    rows = drive(server, [command for n in range(9) for command in (f"get /{n}", "wait")] + ["counters"], 1)
    assert [row[1] for row in rows[:-1]] == ["OK"] * 9, rows
    assert server.connections == 5, server.connections


def case_a_request_that_closes_a_kept_connection_is_sent_again():
    def grudging(connection, index):
        connection.sendall(answer(head_of(connection).encode()))
        if index == 0:
            head_of(connection)  # takes the second request and hangs up
        else:
            echo(connection, index)

    server = Server(grudging)
    rows = drive(server, ["get /a", "wait", "get /b", "wait", "counters"], 1)
    assert [row[1] for row in rows[:-1]] == ["OK", "OK"], rows
    assert int(rows[-1][4]) == 1, rows  # one resend


def case_broken_answers_cost_the_request_only():
    def broken(connection, _index):
        path = head_of(connection)
        if path == "/garbage":
            connection.sendall(b"\x16\x03\x01 what is this\r\n\r\n")
        elif path == "/short":
            connection.sendall(answer(b"x" * 100)[:-40])
        elif path == "/nothing":
            return
        elif path == "/conflict":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")
        elif path == "/long-head":
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 70000)
        elif path == "/reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(answer(b"x" * 100)[:-40])
            time.sleep(0.05)
        elif path == "/more":
            connection.sendall(answer(b"fine") + b"HTTP/1.1 200 OK\r\n")
        elif path == "/chunks":
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n")
        elif path == "/close":
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
        elif path == "/continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"after all"))
        elif path == "/large":
            connection.sendall(answer(b"y" * 5000))
        else:
            connection.sendall(answer(b"no such thing", status="404 Not Found"))

    server = Server(broken)
    paths = ["/garbage", "/short", "/nothing", "/conflict", "/long-head", "/reset", "/more", "/chunks", "/close",
             "/continue", "/missing"]
    rows = drive(server, [f"get {path}" for path in paths] + ["get /large 100", "wait"], 3)
    want = {"/garbage": "E_CORRUPT", "/short": "E_TRUNCATED", "/nothing": "E_TRUNCATED", "/conflict": "E_CORRUPT",
            "/long-head": "E_LIMIT", "/reset": "E_IO"}
    for path in paths:
        assert one(rows, path)[1] == want.get(path, "OK"), one(rows, path)
    assert [one(rows, path)[3] for path in ("/more", "/chunks", "/close", "/continue")] == ["4", "11", "13", "9"], rows
    assert one(rows, "/missing")[2] == "404", rows
    assert one(rows, "/large")[2:5] == ["200", "100", "1"], rows  # cut, and said so


def case_waiting_has_an_end():
    def slow(connection, _index):
        path = head_of(connection)
        if path == "/silent":
            time.sleep(3)
        elif path == "/stall":
            connection.sendall(answer(b"z" * 100)[:-1])
            time.sleep(3)
        elif path == "/drip":  # slow, but never still for long
            for byte in answer(b"drip"):
                connection.sendall(bytes([byte]))
                time.sleep(0.01)

    server = Server(slow)
    began = time.monotonic()
    rows = drive(server, ["get /silent", "get /stall", "get /drip", "wait", "counters"], 3, 1000, 300, 300)
    assert time.monotonic() - began < 2.5, rows
    assert one(rows, "/silent")[1] == "E_TIMEOUT" and "300 ms for the first byte" in one(rows, "/silent")[6], rows
    assert one(rows, "/stall")[1] == "E_TIMEOUT" and "300 ms for more" in one(rows, "/stall")[6], rows
    assert one(rows, "/drip")[1] == "OK", rows
    assert rows[-1][5] == "2", rows
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)  # nobody accepts: connections pile up
    filler = [socket.socket() for _ in range(8)]
    for each in filler:
        each.setblocking(False)
        each.connect_ex(listener.getsockname())
    server.port = listener.getsockname()[1]
    rows = drive(server, ["get /x", "wait"], 1, 300, 300, 300)
    assert one(rows, "/x")[1] == "E_TIMEOUT", rows


def case_nobody_listens():
    closed = socket.create_server(("127.0.0.1", 0))
    server = Server(echo)
    server.port = closed.getsockname()[1]
    closed.close()
    rows = drive(server, ["get /x", "get /y", "wait"], 1)
    assert [row[1] for row in rows] == ["E_IO", "E_IO"] and "Connection refused" in rows[0][6], rows


def case_cancelled():
    server = Server(lambda connection, _: (head_of(connection), time.sleep(2)))
    rows = drive(server, ["get /x", "sleep 100", "cancel", "wait", "get /y", "get /z", "cancel", "sleep 10"], 1)
    assert [(row[0], row[1]) for row in rows] == [("/x", "E_STOPPED"), ("/z", "E_STOPPED"), ("/y", "E_STOPPED")], rows


def case_idle_connections_end():
    server = Server(echo)
    rows = drive(server, ["get /x", "wait", "sleep 400", "get /y", "wait", "counters"], 2, 1000, 1000, 1000, 200)
    assert rows[-1][0] == "2" and rows[-1][4] == "0", rows


def certificates():
    """A CA of ours, and a leaf of it for localhost and 127.0.0.1."""
    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                f"/CN=penstock test {name}", "-keyout", WORK / f"{name}.key", "-out", WORK / f"{name}.pem")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
            "-keyout", WORK / "leaf.key", "-out", WORK / "leaf.csr")
    (WORK / "ext").write_text("subjectAltName=DNS:localhost,DNS:*.s3.localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", WORK / "leaf.csr", "-CA", WORK / "ca.pem", "-CAkey", WORK / "ca.key", "-days", "2",
            "-extfile", WORK / "ext", "-out", WORK / "leaf.pem")


def case_tls():
    certificates()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(WORK / "leaf.pem", WORK / "leaf.key")
        context.minimum_version = context.maximum_version = version

        def once(connection, _index):
            path = head_of(connection)
            body = b"t" * 300000 if path == "/large" else path.encode()
            connection.sendall(answer(body, "Connection: close"))

        server = Server(once, context)
        ca = str(WORK / "ca.pem")
        rows = drive(server, [c for n in range(4) for c in (f"get /{n}", "wait")] + ["get /large", "wait", "counters"],
                     1, ca=ca)
        assert [row[1] for row in rows[:-1]] == ["OK"] * 5 and one(rows[:-1], "/large")[3] == "300000", (version, rows)
        assert rows[-1][:2] == ["5", "4"], (version, rows[-1])  # connected five times, resumed four
        for host, trust, word in (("localhost", WORK / "other.pem", "certificate"),
                                  ("127.0.0.2", ca, "IP address mismatch"), ("example.org", ca, "ostname mismatch")):
            rows = drive(server, ["get /x", "wait"], 1, host=host, ca=str(trust))
            assert rows[0][1] == "E_DENIED" and word in rows[0][6], (host, rows)
        for host in ("127.0.0.1", "bucket.s3.localhost"):
            assert drive(server, ["get /x", "wait"], 1, host=host, ca=ca)[0][1] == "OK", host
    server = Server(echo)  # speaks no TLS
    rows = drive(server, ["get /x", "wait"], 1, 500, ca=str(WORK / "ca.pem"))
    assert rows[0][1] in ("E_IO", "E_TIMEOUT"), rows
    bad = WORK / "bad.pem"
    bad.write_text("not a certificate\n")
    done = subprocess.run([DRIVER, "localhost", "1", bad], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and str(bad) in done.stderr, done.stderr


try:
    for name, case in [(n, c) for n, c in globals().items() if n.startswith("case_")]:
        case()
        print("ok", name[5:].replace("_", " "))
finally:
    subprocess.run(["rm", "-rf", str(WORK)], check=False)
