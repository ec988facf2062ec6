#!/usr/bin/env python3
"""test_sigv4_oracle.py SIGN_LINES - some hundred random requests, signed by us and by botocore."""
import hashlib
import random
import subprocess
import sys
from urllib.parse import quote

try:
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    print("skipped: botocore is not installed (pip install botocore)")
    sys.exit(77)

SEED, COUNT = 20130524, 600
OTHERS = ("es", "aoss", "sqs", "sts", "cloudtrail", "organizations")
HEADERS = ("Range", "If-Match", "x-amz-request-payer", "Content-Type", "X-Custom_1", "accept", "zz-Top")


def some_bytes(rng, low, high):
    """Bytes of every kind, mostly those that stand in keys."""
    kinds = (b"abcXYZ019-._~", b"/", b" +%&=?#:;,@!$'()*[]\\\"<>^`{|}", bytes(range(256)), "é€😀ሴ".encode())
    weights = (12, 3, 3, 2, 1)
    out = b""
    for kind in rng.choices(kinds, weights, k=rng.randint(low, high)):
        out += kind if kind == kinds[4] else bytes([rng.choice(kind)])
    return out


def some_path(rng, is_s3):
    path = b"/" + some_bytes(rng, 0, 60)
    if not is_s3 or rng.random() < 0.3:
        path += b"".join(rng.choice((b"/", b"/.", b"/..", b"/a", b"//")) for _ in range(rng.randint(0, 8)))
    return path


def some_request(rng):
    is_s3 = rng.random() < 0.6
    headers = {}
    for name in rng.sample(HEADERS, rng.randint(0, 4)):
        headers[name] = "".join(rng.choice("ab/=\"-, \t  9") for _ in range(rng.randint(0, 20)))
    return {
        "is_s3": is_s3,
        "method": rng.choice(("GET", "GET", "HEAD", "PUT", "POST", "DELETE")),
        "host": rng.choice(("s3.eu-west-1.amazonaws.com", "localhost:9000", "192.0.2.7:443", "minio.example")),
        "bucket": rng.choice(("", "bucket", "my.bucket-1")) if is_s3 else "",
        "virtual": rng.random() < 0.5,
        "region": rng.choice(("us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1")),
        "service": rng.choice(("s3", "s3", "s3-object-lambda")) if is_s3 else rng.choice(OTHERS),
        "path": some_path(rng, is_s3),
        "query": [(some_bytes(rng, 0, 6), some_bytes(rng, 0, 12)) for _ in range(rng.randint(0, 6))],
        "headers": headers,
        "access": "AKIA" + "".join(rng.choices("ABCDEFGH234567", k=16)),
        "secret": "".join(rng.choices("abcXYZ0189/+=", k=rng.choice((40, 40, 1, 61, 64, 200)))),
        "token": "" if rng.random() < 0.5 else "".join(rng.choices("abcXYZ019/+=", k=rng.randint(1, 1500))),
        "body": b"" if rng.random() < 0.6 else some_bytes(rng, 1, 300),
        "unsigned": is_s3 and rng.random() < 0.2,
        "date": f"20{rng.randint(0, 99):02}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
                f"T{rng.randint(0, 23):02}{rng.randint(0, 59):02}{rng.randint(0, 59):02}Z",
    }


def ours(r):
    """A line for sign_lines."""
    d = r["date"]
    payload = "UNSIGNED-PAYLOAD" if r["unsigned"] else hashlib.sha256(r["body"]).hexdigest()
    words = {"m": r["method"], "h": r["host"], "b": r["bucket"], "p": r["path"], "r": r["region"], "s": r["service"],
             "a": r["access"], "k": r["secret"], "t": r["token"], "y": payload if r["body"] or r["unsigned"] else "",
             "d": f"{d[:4]}-{d[4:6]}-{d[6:8]}T{d[9:11]}:{d[11:13]}:{d[13:15]}Z"}
    line = [f"{k}:{(v if isinstance(v, bytes) else v.encode()).hex()}" for k, v in words.items()]
    line += ["v:"] if r["virtual"] else []
    line += [f"q:{name.hex()}:{value.hex()}" for name, value in r["query"]]
    line += [f"x:{name.encode().hex()}:{value.encode().hex()}" for name, value in r["headers"].items()]
    return " ".join(line)


def theirs(r):
    host, path = r["host"], quote(r["path"], safe="/~")
    if r["bucket"] and r["virtual"]:
        host = f"{r['bucket']}.{host}"
    elif r["bucket"]:
        path = f"/{r['bucket']}{path}"
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in r["query"])
    # botocore drops the scheme's own port; over http that is none of ours.
    url = f"http://{host}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=r["method"], url=url, data=r["body"], headers=r["headers"])
    request.context["timestamp"] = r["date"]
    request.context["payload_signing_enabled"] = not r["unsigned"]
    if r["unsigned"]:
        request.url = url = url.replace("http:", "https:", 1).replace(":443/", "/", 1)
        request.headers["Host"] = host
    if r["service"] == "aoss":
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(r["body"]).hexdigest()
    kind = S3SigV4Auth if r["is_s3"] else SigV4Auth
    if r["unsigned"]:
        request.context["client_config"] = type("Config", (), {"s3": {"payload_signing_enabled": False}})
    auth = kind(Credentials(r["access"], r["secret"], r["token"] or None), r["service"], r["region"])
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    names = auth.signed_headers(auth.headers_to_sign(request))
    scope = f"{r['access']}/{r['date'][:8]}/{r['region']}/{r['service']}/aws4_request"
    return path, host, f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"


rng = random.Random(SEED)
requests = [some_request(rng) for _ in range(COUNT)]
told = subprocess.run([sys.argv[1]], input="".join(ours(r) + "\n" for r in requests), capture_output=True,
                      text=True, check=True).stdout.splitlines()
assert len(told) == COUNT, len(told)
bad = 0
for number, (request, line) in enumerate(zip(requests, told)):
    target, host, authorization = line.split(" ", 2)
    want = theirs(request)
    if (target.split("?")[0], host, authorization) != want:
        bad += 1
        print(f"request {number}: {request}\n  got  {line}\n  want {want}")
print(f"{COUNT} requests, {bad} differ")
sys.exit(bad != 0)
