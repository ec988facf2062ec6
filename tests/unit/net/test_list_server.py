#!/usr/bin/env python3
"""test_list_server.py LIST_KEYS [CASE..] - listings of a server that pages, refuses, moves and breaks down."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from s3_server import ACCESS, MODIFIED_NS, SECRET, Bucket, Server  # noqa: E402

server = Server()
FAST = ("backoff-ms=1",)


class Result:
    def __init__(self, run):
        self.code, self.words = run.returncode, run.stderr
        self.lines = [line.split("\t") for line in run.stdout.splitlines()]
        self.keys = [urllib.parse.unquote_to_bytes(f[2]) for f in self.lines if f[1] == "object"]
        self.prefixes = [urllib.parse.unquote_to_bytes(f[2]) for f in self.lines if f[1] == "prefix"]
        self.failed = [f[2:] for f in self.lines if f[1] == "failed"]
        self.notices = re.findall(r"notice: (.*)", run.stderr)
        self.stats = {k: int(v) for k, v in re.findall(r"(\w+)=(-?\d+)", run.stderr.splitlines()[-1])}


def run(*words, url=None, env=None, timeout=60):
    clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("AWS_")}
    clean |= {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, **(env or {})}
    done = subprocess.run([sys.argv[1], f"endpoint={url or server.url}", *words], env=clean, capture_output=True,
                          text=True, timeout=timeout, check=False)
    assert done.stderr and done.returncode in (0, 1), f"exit {done.returncode}: {done.stderr}"
    return Result(done)


def fails(result, status, *texts):
    assert result.code == 1 and len(result.failed) == 1, (result.lines, result.words)
    assert result.failed[0][0] == status, result.failed
    for text in texts:
        assert text in result.failed[0][1], (text, result.failed)


def numbered(count, before=b"AWSLogs/k"):
    return [before + b"%06d" % i for i in range(count)]


def all_keys_come_page_by_page():
    keys = numbered(2500)
    server.reset(trail=Bucket(keys))
    got = run("s3://trail/AWSLogs/")
    assert got.keys == keys and got.code == 0
    assert [line[1] for line in got.lines].count("end") == 1
    assert (got.stats["requests"], got.stats["pages"]) == (3, 3), got.stats
    assert server.connections == 1
    assert "continuation-token=token%2F" in server.log[1]["query"]


def every_field_of_an_object_is_given():
    server.reset(trail=Bucket([b"k"]))
    [line] = [f for f in run("s3://trail").lines if f[1] == "object"]
    assert line == ["0", "object", "k", "1", str(MODIFIED_NS), "8ce4b16b22b58894aa86c421e8759df3", "STANDARD"]


def keys_and_prefixes_may_have_every_byte():
    odd = [bytes([b]) for b in range(1, 256)] + ["é€😀".encode(), b"//", b"..", b"%41", b"a=b&c", b"+ "]
    keys = [b"p/../%2F +&=\xff\xc3\xa9" + o for o in odd]
    server.reset(trail=Bucket([*keys, b"p/other"]))
    got = run("s3://trail/" + "p/../%2F +&=" + "\udcff" + "é", "page-keys=7")
    assert got.keys == sorted(keys), (got.words, got.failed)


def keys_are_folded_at_the_delimiter():
    server.reset(trail=Bucket([b"a/1/x", b"a/1/y", b"a/2/x", b"a/file", b"b/1"]))
    got = run("s3://trail/a/", "delimiter=/")
    assert got.prefixes == [b"a/1/", b"a/2/"] and got.keys == [b"a/file"]
    got = run("s3://trail/a/", "delimiter=/", "page-keys=1")
    assert got.prefixes == [b"a/1/", b"a/2/"] and got.keys == [b"a/file"] and got.stats["pages"] == 3


def a_listing_begins_after_a_key():
    keys = numbered(30)
    server.reset(trail=Bucket(keys))
    got = run("s3://trail/AWSLogs/", f"start-after={keys[9].decode()}", "page-keys=8")
    assert got.keys == keys[10:]
    assert "start-after" in server.log[0]["query"] and "start-after" not in server.log[1]["query"]


def an_empty_bucket_is_a_listing_without_keys():
    server.reset(trail=Bucket())
    got = run("s3://trail")
    assert got.lines == [["0", "end"]]


def session_tokens_and_requester_pays_are_sent_and_signed():
    server.reset(trail=Bucket([b"k"]))
    got = run("s3://trail", "payer=1", env={"AWS_SESSION_TOKEN": "t/oken+" * 200})
    assert got.keys == [b"k"]
    assert server.log[0]["headers"]["x-amz-security-token"] == "t/oken+" * 200
    assert server.log[0]["headers"]["x-amz-request-payer"] == "requester"
    assert ";x-amz-request-payer;x-amz-security-token," in server.log[0]["headers"]["authorization"]


def without_credentials_nothing_is_signed():
    server.reset(trail=Bucket([b"k"]))
    fails(run("s3://trail", env={"AWS_ACCESS_KEY_ID": ""}), "E_DENIED", "AccessDenied")
    assert not {"authorization", "x-amz-date"} & set(server.log[0]["headers"])


def a_bucket_goes_before_the_host_where_it_can():
    server.reset(trail=Bucket(numbered(20)))
    got = run("s3://trail/AWSLogs/", "page-keys=8", url="http://store.example",
              env={"http_proxy": server.url})
    assert len(got.keys) == 20, got.failed
    assert server.log[0]["headers"]["host"] == "trail.store.example" and server.log[0]["path"] == "/"


def listings_run_side_by_side():
    names = {f"b{i:02}x": Bucket(numbered(40), delay_s=0.1) for i in range(48)}
    server.reset(**names)
    began = time.monotonic()
    got = run(*[f"s3://{n}" for n in names], "page-keys=10")
    took = time.monotonic() - began
    assert len(got.keys) == 48 * 40 and got.stats["pages"] == 48 * 4
    assert server.most >= 24 and server.connections <= 64, (server.most, server.connections)
    assert took < 48 * 4 * 0.1 / 4, took
    for i in range(48):
        assert [f[2] for f in got.lines if f[0] == str(i) and f[1] == "object"] == [k.decode() for k in numbered(40)]


def no_more_listings_than_allowed_are_in_flight():
    names = {f"b{i:02}x": Bucket(numbered(4), delay_s=0.02) for i in range(12)}
    server.reset(**names)
    got = run(*[f"s3://{n}" for n in names], "page-keys=2", "parallel=3")
    assert len(got.keys) == 48 and server.most <= 3, server.most


def the_next_page_is_not_asked_for_before_this_one_is_given_back():
    server.reset(trail=Bucket(numbered(40)))
    got = run("s3://trail", "page-keys=10", "hold-ms=200")
    times = [entry["at"] for entry in server.log]
    assert len(got.keys) == 40 and all(b - a >= 0.19 for a, b in zip(times, times[1:])), times


def a_listing_can_be_quit():
    server.reset(trail=Bucket(numbered(100)))
    got = run("s3://trail", "page-keys=10", "quit-at=2", "repeat=3", "parallel=1")
    assert len(got.keys) == 60 and got.stats["requests"] == 6, got.stats


# ---- what can be mended ----

def is_mended(*faults, words=(), throttled=0, count=25):
    keys = numbered(count)
    server.reset(trail=Bucket(keys, faults=faults))
    got = run("s3://trail", "page-keys=10", *FAST, *words)
    assert got.keys == keys, (faults, got.failed)
    bad = len([f for f in faults if f])
    assert len(server.log) == 3 + bad and got.stats["throttled"] == throttled, (faults, got.stats)
    return got.stats["retries"] == bad and got.stats["requests"] == 3 + bad


def servers_that_fail_are_asked_again():
    assert is_mended("500", "", "500", "500")
    assert is_mended("error-in-200")


def slowdown_is_waited_for():
    assert is_mended("slow", "slow", "429", throttled=3)


def the_time_that_a_server_asks_for_is_waited():
    assert is_mended("later", throttled=1)
    assert server.log[1]["at"] - server.log[0]["at"] >= 1, server.log


def connections_that_break_are_made_again():
    is_mended("reset", "", "hang-up", "reset")  # a kept connection that dies is made anew by libcurl itself
    assert is_mended("reset", "reset")


def responses_that_are_cut_or_spoilt_are_asked_for_again():
    assert is_mended("cut", "half", "", "garbage")


def a_stalled_response_is_asked_for_again():
    began = time.monotonic()
    assert is_mended("stall", "stall-inside", words=("stall-ms=200",))
    assert 0.4 <= time.monotonic() - began < 1.4


def a_request_that_drips_is_ended():
    began = time.monotonic()
    assert is_mended("stall", words=("request-ms=300",))
    assert time.monotonic() - began < 1.4


def attempts_end():
    server.reset(trail=Bucket(numbered(5), faults=["500"] * 9))
    fails(run("s3://trail", "attempts=4", *FAST), "E_IO", "bucket trail: given up after 4 requests: HTTP 500 InternalError")
    assert len(server.log) == 4
    server.reset(trail=Bucket(numbered(5), faults=["garbage"] * 9))
    fails(run("s3://trail", "attempts=2", *FAST), "E_CORRUPT", "given up after 2 requests: listing:")
    server.reset(trail=Bucket(numbered(5), faults=["half"] * 9))
    fails(run("s3://trail", "attempts=2", *FAST), "E_TRUNCATED", "given up after 2 requests: listing:")


def attempts_are_counted_for_each_page():
    keys = numbered(30)
    server.reset(trail=Bucket(keys, faults=["500", "500", "", "500", "500", "", "500", "500", ""]))
    assert run("s3://trail", "page-keys=10", "attempts=3", *FAST).keys == keys


def the_budget_of_all_listings_ends_and_pages_give_it_back():
    server.reset(trail=Bucket(numbered(5), faults=["500"] * 9))
    fails(run("s3://trail", "retries=2", *FAST), "E_IO", "too much has failed of late")
    assert len(server.log) == 3
    keys = numbered(60)
    server.reset(trail=Bucket(keys, faults=["500", ""] * 6))
    assert run("s3://trail", "page-keys=10", "retries=1", *FAST).keys == keys


def waits_are_random_and_their_bound_doubles():
    server.reset(trail=Bucket(numbered(5), faults=["500"] * 4))
    began = time.monotonic()
    run("s3://trail", "backoff-ms=40")
    assert time.monotonic() - began < 0.04 * (1 + 2 + 4 + 8) + 0.5
    times = [entry["at"] for entry in server.log]
    assert len(times) == 5 and len({round(b - a, 4) for a, b in zip(times, times[1:])}) == 4, times


def while_a_server_says_slowdown_fewer_requests_are_in_flight():
    names = {f"b{i:02}x": Bucket(numbered(2), faults=["slow"], delay_s=0.02) for i in range(16)}
    server.reset(**names)
    got = run(*[f"s3://{n}" for n in names], "parallel=16", "backoff-ms=30")
    assert len(got.keys) == 32 and got.stats["throttled"] == 16 and got.stats["window"] < 16, got.stats


# ---- regions and clocks ----

def a_bucket_of_another_region_is_asked_there():
    for fault in ("", "moved-header", "moved-endpoint", "moved-location"):
        keys = numbered(25)
        server.reset(trail=Bucket(keys, region="eu-west-1", faults=[fault]))
        got = run("s3://trail", "page-keys=10", "repeat=2", "parallel=1")
        assert got.keys == keys * 2, (fault, got.failed)
        assert got.stats["moved"] == 1 and got.stats["retries"] == 0, (fault, got.stats)
        assert got.notices == ["bucket trail is in region eu-west-1"]


def a_region_that_leads_nowhere_is_told():
    server.reset(trail=Bucket([b"k"], faults=["moved-header", "moved-away", "moved-header", "moved-away"]))
    fails(run("s3://trail"), "E_IO", "HTTP 301 PermanentRedirect", "region eu-west-1")
    assert len(server.log) == 3
    server.reset(trail=Bucket([b"k"], faults=["moved-header"] * 5))
    fails(run("s3://trail"), "E_IO", f"is in region eu-west-1, which 127.0.0.1:{server.port} does not serve")
    assert len(server.log) == 2
    server.reset(trail=Bucket([b"k"], faults=["moved-evil"]))
    fails(run("s3://trail"), "E_IO", "HTTP 301")
    assert len(server.log) == 1


def a_wrong_clock_is_corrected_once():
    for clock_s in (7200, -7200):
        keys = numbered(25)
        server.reset(trail=Bucket(keys), other=Bucket(keys))
        server.clock_s = clock_s
        got = run("s3://trail", "s3://other", "page-keys=10", "parallel=1")
        assert got.keys == keys * 2 and got.stats["requests"] == 7 and got.stats["retries"] == 0, got.stats
        assert abs(got.stats["skew_s"] - clock_s) <= 2, got.stats
        [notice] = got.notices
        assert re.search(r"clock of this host is (7199|720\d) s " + ("behind" if clock_s > 0 else "ahead of"), notice)


def a_refusal_of_a_server_with_another_time_is_tried_with_its_time():
    server.reset(trail=Bucket([b"k"], faults=["forbidden"]))
    server.clock_s = 1200
    assert run("s3://trail").keys == [b"k"]
    server.reset(trail=Bucket([b"k"], faults=["forbidden"]))
    server.clock_s = 100
    fails(run("s3://trail"), "E_DENIED", "s3:ListBucket")


# ---- what cannot be mended ----

def refusals_name_bucket_and_reason():
    def refused(fault):
        server.reset(trail=Bucket([b"k"], faults=[fault] * 5))
        return run("s3://trail")
    fails(refused("denied"), "E_DENIED", "bucket trail: HTTP 403 AccessDenied",
          "s3:ListBucket on arn:aws:s3:::trail is probably missing", "because of AccessDenied")
    fails(refused("forbidden"), "E_DENIED", "HTTP 403: s3:ListBucket on arn:aws:s3:::trail")
    fails(refused("expired"), "E_DENIED", "the credentials have expired")
    fails(refused("odd"), "E_IO", "HTTP 418 Teapot", "because of Teapot")
    assert len(server.log) == 1
    server.reset()
    fails(run("s3://trail"), "E_NOT_FOUND", "bucket trail: HTTP 404 NoSuchBucket")
    server.reset(trail=Bucket([b"k"], region="cn-north-1", faults=["denied"]))
    fails(run("s3://trail", "region=cn-north-1"), "E_DENIED", "arn:aws-cn:s3:::trail")


def wrong_keys_are_told_from_missing_permissions():
    server.reset(trail=Bucket([b"k"]))
    fails(run("s3://trail", env={"AWS_SECRET_ACCESS_KEY": "no"}), "E_DENIED", "the secret key is wrong")
    fails(run("s3://trail", env={"AWS_ACCESS_KEY_ID": "AKNO"}), "E_DENIED", "the access key is not known")


def one_listing_that_fails_leaves_the_others_alone():
    server.reset(trail=Bucket(numbered(25)), other=Bucket(faults=["denied"]))
    got = run("s3://other", "s3://trail", "page-keys=10")
    fails(got, "E_DENIED", "bucket other")
    assert got.keys == numbered(25)


def a_listing_that_goes_round_is_ended():
    server.reset(trail=Bucket(numbered(3), faults=["round"] * 5))
    fails(run("s3://trail"), "E_CORRUPT", "goes round")
    assert len(server.log) == 2


def nobody_listens():
    began = time.monotonic()
    fails(run("s3://trail", "attempts=3", *FAST, url="http://127.0.0.1:9"), "E_IO",
          "given up after 3 requests: 127.0.0.1:9:")
    assert time.monotonic() - began < 10


# ---- TLS ----

def certificate_make(folder, name, alt):
    path = pathlib.Path(folder) / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(path),
                    "-out", f"{path}.crt", "-subj", f"/CN={name}", "-addext", f"subjectAltName={alt}"],
                   check=True, capture_output=True)
    crt = pathlib.Path(f"{path}.crt")
    path.write_text(path.read_text() + crt.read_text())
    return path, crt


def certificates_and_host_names_are_verified():
    with tempfile.TemporaryDirectory() as folder:
        good, good_ca = certificate_make(folder, "good", "IP:127.0.0.1")
        other, other_ca = certificate_make(folder, "other", "DNS:store.example")
        tls, wrong_name = Server(good), Server(other)
        keys = numbered(25)
        for one in (tls, wrong_name):
            one.reset(trail=Bucket(keys))
        got = run("s3://trail", f"ca={good_ca}", "page-keys=10", url=tls.url)
        assert got.keys == keys and tls.connections == 1, got.failed
        fails(run("s3://trail", url=tls.url), "E_CONFIG", "does not prove who it is")
        fails(run("s3://trail", f"ca={other_ca}", url=tls.url), "E_CONFIG", "does not prove who it is")
        fails(run("s3://trail", f"ca={other_ca}", url=wrong_name.url), "E_CONFIG", "does not prove who it is")
        assert wrong_name.log == [] and len(tls.log) == 3
        tls.stop()
        wrong_name.stop()


def a_ca_file_that_cannot_be_read_is_told():
    try:
        run("s3://trail", "ca=/no/such/file")
    except AssertionError as error:
        assert "exit 2: E_CONFIG /no/such/file: the CA file cannot be read" in str(error), error
    else:
        raise AssertionError("it ran")


CASES = [value for name, value in list(globals().items())
         if getattr(value, "__module__", "") == "__main__" and callable(value) and isinstance(value, type(run))
         and name not in ("run", "fails", "numbered", "is_mended", "certificate_make")]
wanted = sys.argv[2:]
bad = 0
for case in CASES:
    if wanted and case.__name__ not in wanted:
        continue
    began = time.monotonic()
    try:
        case()
        print(f"ok   {case.__name__} ({time.monotonic() - began:.2f} s)")
    except Exception:  # noqa: BLE001: every failure is told, and the next case runs
        bad += 1
        print(f"FAIL {case.__name__}\n{traceback.format_exc()}")
print(f"{len(CASES)} cases, {bad} failed")
sys.exit(bad != 0)
