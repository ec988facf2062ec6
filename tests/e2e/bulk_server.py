"""bulk_server.py - a small cluster that takes bulk requests as OpenSearch does and misbehaves as told.

It keeps (index, id) -> source with the semantics of `create` and of external versions.  A script is called
for every request before and after it is carried out, and may answer instead."""
import base64
import fnmatch
import gzip
import http.server
import json
import socket
import ssl
import threading
import urllib.parse
import zlib

CONFLICT = "version_conflict_engine_exception"


class Request:
    """What a script sees: number (from 0), body (plain bytes), headers, docs [(action, metadata, source)]."""

    def __init__(self, number, body, headers, docs):
        self.number, self.body, self.headers, self.docs = number, body, headers, docs


def error(kind, reason="because of the test"):
    return {"type": kind, "reason": reason}


def whole(status, kind=None, reason="because of the test"):
    """An answer to the request as a whole."""
    text = b"" if kind is None else json.dumps({"error": error(kind, reason), "status": status}).encode()
    return status, text


class Cluster:
    """with Cluster() as cluster: cluster.url, cluster.docs, cluster.requests.

    before(request) -> None, ("cut",) connection closed, ("stall", seconds) then carried out, or (status, bytes)
    after(request, status, text) -> the same, when it has been carried out: what is answered instead
    item(index, id, source) -> None or (status, error), or a whole item's rest, for one document that is then not taken"""

    def __init__(self, before=None, after=None, item=None, authorization=None, tls=None, templates=True,
                 address=("127.0.0.1", 0)):
        self.before, self.after, self.item = before, after, item
        self.authorization = authorization
        self.docs, self.versions = {}, {}
        self.requests, self.errors, self.seen = 0, [], []
        self.puts = {}
        self.created = {"status": 201, "result": "created"}  # of an item that was taken
        self.aliases = []  # None: nobody may ask for them
        self.version = {"distribution": "opensearch", "number": "2.19.1"}
        self.ism = None  # {}: it has Index State Management; then "policy", "seq"
        self.spoilt = []  # (status, bytes) of the next questions, one each
        self.forbidden = ""  # requests whose method and path begin so
        self.indices, self.deleted = {}, []  # those that were made by name: the body
        self.lock = threading.Lock()
        if templates:
            self.puts = None  # every template is there
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                cluster._post(self)

            def do_GET(self):
                cluster._get(self)

            do_HEAD = do_GET

            def do_PUT(self):
                cluster._put(self)

            def do_DELETE(self):
                cluster._delete(self)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass  # the other side went away

        self.server = Server(address, Handler)
        self.scheme = "http"
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = "https"
        self.port = self.server.server_address[1]
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.sink = f"opensearch:{self.url}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    # ---- requests ----

    def _body(self, handler):
        length = handler.headers.get("Content-Length")
        raw = handler.rfile.read(int(length or 0))
        handler.raw = raw
        if len(raw) < int(length or 0):
            return None  # cut
        if handler.headers.get("Content-Encoding") == "gzip":
            try:
                raw = gzip.decompress(raw)
            except (EOFError, zlib.error, gzip.BadGzipFile):
                self.errors.append("a body that is no gzip")
                return b"?"
        return raw

    def _answer(self, handler, status, text):
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json; charset=UTF-8")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(text)

    def _cut(self, handler):
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    def _allowed(self, handler):
        asked = handler.headers.get("Authorization")
        self.seen.append(asked)
        if self.spoilt and not handler.path.startswith("/_bulk"):
            self._answer(handler, *self.spoilt.pop(0))
            return False
        if self.forbidden and f"{handler.command} {handler.path}".startswith(self.forbidden):
            self._answer(handler, *whole(403, "security_exception", "no permissions"))
            return False
        if callable(self.authorization) and self.authorization(handler):
            return True
        if self.authorization is None or asked == self.authorization:
            return True
        self._answer(handler, *whole(401, "security_exception", "no permissions"))
        return False

    def _do(self, handler, told):
        """Carries out what a script said; True when the request has its answer."""
        if told is None:
            return False
        if told[0] == "cut":
            self._cut(handler)
            return True
        if told[0] == "stall":
            threading.Event().wait(told[1])
            return False
        self._answer(handler, *told)
        return True

    def _post(self, handler):
        body = self._body(handler)
        if body is None or not self._allowed(handler):
            return
        path = handler.path.split("?")[0]
        if path.startswith("/_index_template/_simulate_index/"):
            self._answer(handler, 200, self._simulated(path.rsplit("/", 1)[1]))
            return
        if path != "/_bulk":
            self._answer(handler, 400, b'{"error":"no handler found"}')
            return
        with self.lock:
            number = self.requests
            self.requests += 1
        try:
            docs = self._parse(body)
        except ValueError as wrong:
            self.errors.append(str(wrong))
            self._answer(handler, *whole(400, "illegal_argument_exception", str(wrong)))
            return
        request = Request(number, body, handler.headers, docs)
        if self.before is not None and self._do(handler, self.before(request)):
            return
        status, text = self._carry_out(docs)
        if self.after is not None and self._do(handler, self.after(request, status, text)):
            return
        self._answer(handler, status, text)

    @staticmethod
    def _parse(body):
        if not body.endswith(b"\n"):
            raise ValueError("The bulk request must be terminated by a newline [\\n]")
        lines = body[:-1].split(b"\n")
        if len(lines) % 2:
            raise ValueError("an action without a source")
        docs = []
        for action, source in zip(lines[::2], lines[1::2]):
            (name, metadata), = json.loads(action).items()
            if name not in ("create", "index"):
                raise ValueError(f"Malformed action/metadata line, found [{name}]")
            if len(metadata["_id"].encode()) > 512:
                raise ValueError("id is too long, must be no longer than 512 bytes")
            docs.append((name, metadata, json.loads(source)))
        return docs

    def _carry_out(self, docs):
        items = []
        with self.lock:
            for name, metadata, source in docs:
                got = self._one(name, metadata, source)
                items.append({name: {"_index": metadata["_index"], "_id": metadata["_id"], **got}})
        text = {"took": 1, "errors": any("error" in next(iter(i.values())) for i in items), "items": items}
        return 200, json.dumps(text).encode()

    def _one(self, name, metadata, source):
        key = (metadata["_index"], metadata["_id"])
        told = self.item(*key, source) if self.item is not None else None
        if told is not None:
            return told if isinstance(told, dict) else {"status": told[0], "error": told[1]}
        if metadata.get("require_alias") and metadata["_index"] not in (self.aliases or ()):
            return {"status": 404, "error": error("index_not_found_exception", f"[{metadata['_index']}] is not an alias")}
        if name == "create" and key in self.docs:
            return {"status": 409, "error": error(CONFLICT, f"[{key[1]}]: version conflict")}
        if name == "index":
            assert metadata["version_type"] == "external", metadata
            if metadata["version"] <= self.versions.get(key, 0):
                return {"status": 409, "error": error(CONFLICT, "a newer one is there")}
            self.versions[key] = metadata["version"]
        self.docs[key] = source
        return self.created

    # ---- everything else ----

    def _simulated(self, index):
        """Of the template that wins for an index: whether @timestamp has a type."""
        found = b'{"template":{"mappings":{"properties":{"@timestamp":{"type":"date"}}}}}'
        if self.puts is None:
            return found
        templates = [body for path, body in self.puts.items() if path.startswith("/_index_template/") and
                     any(fnmatch.fnmatch(index, pattern) for pattern in body["index_patterns"])]
        if not templates:
            return b"{}"
        best = max(templates, key=lambda body: body["priority"])
        parts = [self.puts[f"/_component_template/{name}"] for name in best.get("composed_of", [])] + [best]
        names = {name for part in parts for name in part.get("template", {}).get("mappings", {}).get("properties", {})}
        return found if "@timestamp" in names else b"{}"

    def _get(self, handler):
        if not self._allowed(handler):
            return
        if handler.path.split("?")[0] == "/":
            self._answer(handler, 200, json.dumps({"cluster_name": "test", "version": self.version}).encode())
            return
        name = urllib.parse.unquote(handler.path.split("?")[0])
        if name.startswith("/_plugins/_ism/"):
            self._policy(handler, None)
            return
        if name.endswith("_template/penstock-*"):
            self._answer(handler, 200, self._templates(name.split("/")[1]))
            return
        if name.startswith("/_resolve/index/"):
            pattern = urllib.parse.unquote(name.rsplit("/", 1)[1])
            names = [{"name": alias} for alias in self.aliases or () if fnmatch.fnmatch(alias, pattern)]
            self._answer(handler, *((200, json.dumps({"aliases": names, "data_streams": []}).encode())
                                    if self.aliases is not None else whole(403, "security_exception")))
            return
        there = self.puts is None or name in self.puts
        self._answer(handler, *((200, b"{}") if there else whole(404, "resource_not_found_exception")))

    def _templates(self, kind):
        """Names and _meta, as filter_path asks for them."""
        of = {"_component_template": "component_template", "_index_template": "index_template"}[kind]
        found = [{"name": path.rsplit("/", 1)[1], of: {"_meta": body["_meta"]} if "_meta" in body else {}}
                 for path, body in (self.puts or {}).items() if path.split("/")[1] == kind]
        return json.dumps({f"{of}s": found} if found else {}).encode()

    def _wrong_with(self, path, template):
        """Templates of one priority whose patterns meet, and components that are not there, are refused."""
        if not path.startswith("/_index_template/"):
            return ""
        missing = [name for name in template.get("composed_of", ()) if f"/_component_template/{name}" not in self.puts]
        if missing:
            return f"index template specifies component templates {missing} that do not exist"
        for other, body in self.puts.items():
            if other == path or not other.startswith("/_index_template/") or body["priority"] != template["priority"]:
                continue
            for a in body["index_patterns"]:
                for b in template["index_patterns"]:
                    if a[:-1].startswith(b[:-1]) or b[:-1].startswith(a[:-1]):  # each ends with its only *
                        return f"{path} has index patterns {b} matching patterns from {other}: {a}, of one priority"
        return ""

    def _policy(self, handler, body):
        """A policy of Index State Management: replaced only by who names the version that is there."""
        path, _, query = handler.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        if self.ism is None:
            text = f"no handler found for uri [{handler.path}] and method [{handler.command}]"
            self._answer(handler, 400, json.dumps({"error": text}).encode())
            return
        if body is None and "policy" not in self.ism:
            self._answer(handler, *whole(404, "status_exception", "Policy not found"))
            return
        if body is not None:
            wanted = {"if_seq_no": str(self.ism["seq"]), "if_primary_term": "3"} if "policy" in self.ism else {}
            if {name: value for name, value in asked.items() if name.startswith("if_")} != wanted:
                self._answer(handler, *whole(409, CONFLICT, "version conflict, current version is another"))
                return
            self.ism.update(policy=body["policy"], seq=self.ism.get("seq", 6) + 1)
        self._answer(handler, 200 if body is None else 201, json.dumps({
            "_id": path.rsplit("/", 1)[1], "_version": 1, "_seq_no": self.ism["seq"], "_primary_term": 3,
            "policy": {"policy_id": path.rsplit("/", 1)[1], "schema_version": 21, "last_updated_time": 1,
                       **self.ism["policy"]}}).encode())

    def _put(self, handler):
        body = self._body(handler)
        if not self._allowed(handler):
            return
        name = handler.path.split("?")[0][1:]
        if name.startswith("_plugins/_ism/"):
            self._policy(handler, json.loads(body))
            return
        if not name.startswith("_"):
            self.indices[name] = json.loads(body)
            self.aliases += list(self.indices[name].get("aliases", ()))
            self._answer(handler, 200, b'{"acknowledged":true}')
            return
        if self.puts is None:
            self.puts = {}
        path, template = handler.path.split("?")[0], json.loads(body)
        wrong = self._wrong_with(path, template)
        if wrong:
            self._answer(handler, *whole(400, "illegal_argument_exception", wrong))
            return
        self.puts[path] = template
        self._answer(handler, 200, b'{"acknowledged":true}')


    def _delete(self, handler):
        """An index is there when it was made, or a document went to it."""
        if not self._allowed(handler):
            return
        name = handler.path.split("?")[0][1:]
        with self.lock:
            gone = [key for key in self.docs if key[0] == name]
            for key in gone:
                del self.docs[key]
        if self.indices.pop(name, None) is None and not gone:
            self._answer(handler, *whole(404, "index_not_found_exception"))
            return
        self.deleted.append(name)
        self._answer(handler, 200, b'{"acknowledged":true}')


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def tls_server(cert, key, ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if ca is not None:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
