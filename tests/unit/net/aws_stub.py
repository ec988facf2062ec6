"""aws_stub.py - STS, a container's endpoint and instance metadata on one port of loopback.

It checks signatures and tokens, and misbehaves as asked: `stub.plan` maps a path, or the Action of
STS, to functions that are used up one request each before the stub answers as it should."""
import datetime
import hashlib
import hmac
import http.server
import json
import threading
import time
import urllib.parse

ROLE = "arn:aws:iam::123456789012:role/"
NS = ' xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'


def time_text(seconds):
    """The time that is so many seconds from now, as AWS writes it."""
    when = datetime.datetime.fromtimestamp(time.time() + seconds, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def hmac_of(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret, headers, body, scope, names):
    """Signature Version 4 of a POST to "/" without a query."""
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    canonical = f"POST\n/\n\n{lines}\n{';'.join(names)}\n{hashlib.sha256(body).hexdigest()}"
    text = "\n".join(("AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join(scope),
                      hashlib.sha256(canonical.encode()).hexdigest()))
    key = b"AWS4" + secret.encode()
    for part in scope:
        key = hmac_of(key, part)
    return hmac_of(key, text).hex()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, text, kind="application/json"):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def is_planned(self, name):
        todo = self.server.stub.plan.get(name)
        if not todo:
            return False
        todo.pop(0)(self)
        return True

    def do_GET(self):
        stub = self.server.stub
        stub.seen.append(("GET", self.path, dict(self.headers.items()), ""))
        if self.is_planned(self.path):
            return
        if self.path.startswith("/creds"):
            wanted = stub.container_token
            ok = wanted is None or self.headers.get("Authorization") == wanted
            self.reply(200 if ok else 401, stub.json("CONTAINER") if ok else "{}")
        elif self.headers.get("X-aws-ec2-metadata-token") != "T0KEN==":
            self.reply(401, "")
        elif self.path == "/latest/meta-data/iam/security-credentials/":
            self.reply(200, "node-role\n", "text/plain")
        elif self.path == "/latest/meta-data/iam/security-credentials/node-role":
            self.reply(200, stub.json("INSTANCE"))
        elif self.path == "/latest/meta-data/placement/region":
            self.reply(200, "ap-south-2", "text/plain")
        else:
            self.reply(404, "")

    def do_PUT(self):
        self.server.stub.seen.append(("PUT", self.path, dict(self.headers.items()), ""))
        if self.is_planned(self.path):
            return
        seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        ok = self.path == "/latest/api/token" and seconds.isdigit()
        self.reply(200 if ok else 400, "T0KEN==" if ok else "", "text/plain")

    def do_POST(self):
        stub = self.server.stub
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        stub.seen.append(("POST", self.path, dict(self.headers.items()), form))
        if self.is_planned(form.get("Action")):
            return
        if form["Action"] == "AssumeRole":
            why = self.signer_is_wrong(body)
        else:
            why = "" if form.get("WebIdentityToken") in stub.web_tokens else "InvalidIdentityToken"
        if why:
            self.error(403, why, "The request is wrong & refused.")
        else:
            caller = self.headers.get("Authorization", "/").partition("Credential=")[2].partition("/")[0]
            self.reply(200, stub.xml(form, caller), "text/xml")

    def signer_is_wrong(self, body):
        stub = self.server.stub
        headers = {name.lower(): value for name, value in self.headers.items()}
        words = headers.get("authorization", "").replace(",", " ").split()
        parts = dict(word.split("=", 1) for word in words[1:])
        if words[:1] != ["AWS4-HMAC-SHA256"] or "/" not in parts.get("Credential", ""):
            return "MissingAuthenticationToken"
        access, *scope = parts["Credential"].split("/")
        secret, token = stub.keys.get(access, (None, ""))
        if secret is None or headers.get("x-amz-security-token", "") != token:
            return "InvalidClientTokenId"
        if scope[1:] != [stub.region, "sts", "aws4_request"]:
            return "SignatureDoesNotMatch"
        names = parts["SignedHeaders"].split(";")
        right = signature(secret, headers, body, scope, names)
        return "" if parts["Signature"] == right else "SignatureDoesNotMatch"

    def error(self, status, code, message):
        message = message.replace("&", "&amp;")
        self.reply(status, f"<ErrorResponse{NS}><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}"
                           f"</Message></Error><RequestId>1</RequestId></ErrorResponse>", "text/xml")


class Stub:
    """A context; url, plan, seen, and the keys that it gave out are for tests."""

    def __init__(self, region="us-east-1"):
        self.region, self.plan, self.seen = region, {}, []
        self.keys, self.web_tokens, self.container_token = {}, {"web-token"}, None
        self.life, self.made = 3600, 0
        self.is_steady = False  # equal requests get equal keys

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.stub = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def new_keys(self, kind, asked=""):
        """Keys that were never given before, or those for what was asked: (access, secret, token)."""
        self.made += 1
        mark = hashlib.sha256(asked.encode()).hexdigest()[:12].upper() if self.is_steady else self.made
        access, secret, token = f"AK{kind}{mark}", f"secret/{kind}+{mark}", f"token={kind}{mark}"
        self.keys[access] = (secret, token)
        return access, secret, token

    def json(self, kind):
        access, secret, token = self.new_keys(kind)
        return json.dumps({"Code": "Success", "LastUpdated": time_text(0), "Type": "AWS-HMAC", "AccessKeyId": access,
                           "SecretAccessKey": secret, "Token": token, "Expiration": time_text(self.life)})

    def xml(self, form, caller):
        asked = repr([form.get(name) for name in ("RoleArn", "ExternalId", "DurationSeconds")] + [caller])
        access, secret, token = self.new_keys("ROLE" if form["Action"] == "AssumeRole" else "WEB", asked)
        name = form["Action"]
        return (f"<{name}Response{NS}><{name}Result><AssumedRoleUser><Arn>{form['RoleArn']}</Arn></AssumedRoleUser>"
                f"<Credentials><AccessKeyId>{access}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
                f"<SessionToken>{token}</SessionToken><Expiration>{time_text(self.life)}</Expiration></Credentials>"
                f"</{name}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{name}Response>")
