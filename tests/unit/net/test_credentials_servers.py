#!/usr/bin/env python3
"""test_credentials_servers.py CREDENTIAL_LINES - the chain of credentials against a small server."""
import atexit
import hashlib
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time

from aws_stub import ROLE, Stub, time_text

DRIVER = sys.argv[1]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="penstock-creds-"))
atexit.register(shutil.rmtree, WORK, ignore_errors=True)
SECRETS = ("secret/", "SECRET", "token=", "web-token", "T0KEN", "container-word")


def ask(env, *args):
    """Lines of answers, each a list of fields; no secret may be in what is said."""
    env = {"HOME": str(WORK), "PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", **env}
    if os.environ.get("ASAN_OPTIONS"):
        env["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"]
    done = subprocess.run([DRIVER, *args], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert not any(s in done.stdout + done.stderr for s in SECRETS), (done.stdout, done.stderr)
    return [line.split("\t") for line in done.stdout.splitlines()]


def one(env, *args):
    return ask(env, *args, "get")[0]


def hash_of(secret, token=""):
    return hashlib.sha256(f"{secret}\n{token}".encode()).hexdigest()


def is_ok(stub, got, source, access):
    assert got[0] == "ok" and got[1] == source and got[2] == access, got
    assert got[3] == hash_of(*stub.keys[access]), got


def is_error(got, status, *texts):
    assert got[:2] == ["error", status], got
    for text in texts:
        assert text in got[2], (text, got[2])


def written(name, text, mode=0o600):
    path = WORK / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def config(text, credentials="[none]\n"):
    return {"AWS_CONFIG_FILE": written("config", text), "AWS_SHARED_CREDENTIALS_FILE": written("credentials", credentials)}


def env_keys(stub):
    access, secret, token = stub.new_keys("ENV")
    return {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


def instance(stub):
    return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": stub.url + "/"}


def status(code, text="<html>"):
    return lambda handler: handler.reply(code, text, "text/html")


def slow(seconds):
    return lambda handler: (time.sleep(seconds), handler.connection.close())


# ---- STS ----


def case_a_role_is_assumed_with_a_signed_form(stub):
    got = one(env_keys(stub), "role_arn=" + ROLE + "r+a", "external_id=a b/&=é", f"sts={stub.url}", "set_region=us-east-1")
    is_ok(stub, got, f"environment, role {ROLE}r+a", "AKROLE2")
    assert 3590 <= int(got[4]) <= 3600, got
    method, path, _, form = stub.seen[-1]
    assert (method, path) == ("POST", "/"), stub.seen
    assert form["RoleArn"] == ROLE + "r+a" and form["ExternalId"] == "a b/&=é", form
    assert form["RoleSessionName"].startswith("penstock-") and form["RoleSessionName"][9:].isdigit(), form
    one(env_keys(stub), f"role_arn={ROLE}x", "session_name=me@here", f"sts={stub.url}", "set_region=us-east-1")
    assert stub.seen[-1][3]["RoleSessionName"] == "me@here" and "ExternalId" not in stub.seen[-1][3]


def case_the_region_signs_and_the_endpoint_of_the_environment_is_used(stub):
    stub.region = "eu-west-3"
    env = {**env_keys(stub), "AWS_REGION": "eu-west-3", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    is_ok(stub, one({**env, "AWS_ENDPOINT_URL_STS": stub.url}, f"role_arn={ROLE}r"), f"environment, role {ROLE}r", "AKROLE2")
    is_ok(stub, one({**env, "AWS_ENDPOINT_URL": stub.url}, f"role_arn={ROLE}r"), f"environment, role {ROLE}r", "AKROLE3")


def case_a_refusal_is_told_and_not_tried_again(stub):
    stub.plan["AssumeRole"] = [lambda h: h.error(403, "AccessDenied", "not authorized\u202e")]
    got = one(env_keys(stub), f"role_arn={ROLE}r", f"sts={stub.url}")
    is_error(got, "E_DENIED", f"no credentials: role: AssumeRole {ROLE}r: status 403, AccessDenied: not authorized???")
    stub.plan["AssumeRole"] = [lambda h: h.error(403, "AccessDenied", "not authorized & sorry")]
    got = one(env_keys(stub), f"role_arn={ROLE}r", f"sts={stub.url}")
    is_error(got, "E_DENIED", "status 403, AccessDenied: not authorized & sorry")
    assert len(stub.seen) == 2, stub.seen
    got = one({"AWS_ACCESS_KEY_ID": "AKNOBODY", "AWS_SECRET_ACCESS_KEY": "SECRET"}, f"role_arn={ROLE}r", f"sts={stub.url}")
    is_error(got, "E_DENIED", "InvalidClientTokenId")


def case_a_server_that_fails_is_asked_three_times(stub):
    stub.plan["AssumeRole"] = [status(503), status(500)]
    is_ok(stub, one(env_keys(stub), f"role_arn={ROLE}r", f"sts={stub.url}"), f"environment, role {ROLE}r", "AKROLE2")
    stub.plan["AssumeRole"] = [status(502)] * 3
    begin = time.monotonic()
    is_error(one(env_keys(stub), f"role_arn={ROLE}r", f"sts={stub.url}"), "E_IO", "status 502, a reply that is no XML")
    assert len(stub.seen) == 6 and time.monotonic() - begin > 0.59, len(stub.seen)
    stub.plan["AssumeRole"] = [status(200, "x" * 70000)]
    is_error(one(env_keys(stub), f"role_arn={ROLE}r", f"sts={stub.url}"), "E_LIMIT", "more than 65536 bytes")


def case_nobody_listens(stub):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        got = one(env_keys(stub), f"role_arn={ROLE}r", f"sts=http://127.0.0.1:{s.getsockname()[1]}")
    is_error(got, "E_IO", "AssumeRole", "connect")
    is_error(one(env_keys(stub), f"role_arn={ROLE}r", "sts=ftp://x"), "E_CONFIG", "does not begin with http")


def case_a_web_identity_of_the_environment(stub):
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": written("web", "web-token\n"), "AWS_ROLE_ARN": ROLE + "w",
           "AWS_ROLE_SESSION_NAME": "pod", "AWS_ENDPOINT_URL_STS": stub.url}
    is_ok(stub, one(env), "web identity", "AKWEB1")
    _, _, headers, form = stub.seen[-1]
    assert "Authorization" not in headers and "X-Amz-Date" not in headers, headers
    assert form["RoleSessionName"] == "pod" and form["Action"] == "AssumeRoleWithWebIdentity", form
    is_error(one({**env, "AWS_WEB_IDENTITY_TOKEN_FILE": written("web", "SECRET")}), "E_DENIED", "InvalidIdentityToken")
    is_error(one({**env, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nope"}), "E_CONFIG", "web identity: /nope: no such file")
    is_error(one({**env, "AWS_ROLE_ARN": ""}), "E_CONFIG", "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not")
    is_error(one({**env, "AWS_WEB_IDENTITY_TOKEN_FILE": written("web", " \n")}), "E_CONFIG", "the token file is empty")


def case_profiles_assume_roles_one_by_another(stub):
    access, secret, token = stub.new_keys("BASE")
    files = config(f"[profile top]\nrole_arn = {ROLE}top\nsource_profile = mid\nexternal_id = x1\nduration_seconds = 900\n"
                   f"[profile mid]\nrole_arn = {ROLE}mid\nsource_profile = base\nrole_session_name = sess\n"
                   f"[profile self]\nrole_arn = {ROLE}self\nsource_profile = self\n"
                   f"[profile web]\nrole_arn = {ROLE}web\nweb_identity_token_file = {written('web', 'web-token')}\n"
                   f"[profile byweb]\nrole_arn = {ROLE}byweb\nsource_profile = web\n",
                   f"[base]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\naws_session_token={token}\n"
                   f"[self]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\naws_session_token={token}\n")
    env = {**files, "AWS_ENDPOINT_URL_STS": stub.url}
    is_ok(stub, one({**env, "AWS_PROFILE": "top"}), f"profile top, role {ROLE}top", "AKROLE3")
    mid, top = stub.seen[0][3], stub.seen[1][3]
    assert (mid["RoleArn"], mid["RoleSessionName"]) == (ROLE + "mid", "sess"), mid
    assert (top["RoleArn"], top["ExternalId"], top["DurationSeconds"]) == (ROLE + "top", "x1", "900"), top
    is_ok(stub, one(env, "profile=self"), f"profile self, role {ROLE}self", "AKROLE4")
    is_ok(stub, one({**env, **env_keys(stub)}, "profile=web"), "profile web, web identity", "AKWEB6")
    is_ok(stub, one(env, "profile=byweb"), f"profile byweb, role {ROLE}byweb", "AKROLE8")


def case_a_profile_takes_the_credentials_of_a_source(stub):
    def env(source):
        return {**config(f"[default]\nrole_arn = {ROLE}d\ncredential_source = {source}\n"), "AWS_ENDPOINT_URL_STS": stub.url}
    keys = env_keys(stub)
    is_ok(stub, one({**env("Environment"), **keys}), "environment", "AKENV1")
    is_ok(stub, one({**env("Ec2InstanceMetadata"), **instance(stub)}), f"profile default, role {ROLE}d", "AKROLE3")
    container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": stub.url + "/creds"}
    is_ok(stub, one({**env("EcsContainer"), **container}), f"profile default, role {ROLE}d", "AKROLE5")
    is_ok(stub, one({**env("Environment"), **keys}, "profile=default"), f"profile default, role {ROLE}d", "AKROLE6")
    is_error(one(env("Environment")), "E_CONFIG", "profile: profile default: credential_source Environment: no AWS_ACCESS_KEY_ID")
    is_error(one(env("Moon")), "E_CONFIG", "credential_source is none of")


# ---- container ----


def case_a_container_gives_credentials(stub):
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": stub.url + "/creds?id=1"}
    is_ok(stub, one(env), "container", "AKCONTAINER1")
    stub.container_token = "Basic container-word"
    is_error(one(env), "E_DENIED", "container: its endpoint replies with status 401")
    is_ok(stub, one({**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": stub.container_token}), "container", "AKCONTAINER2")
    file = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": written("auth", stub.container_token + "\n"),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "other"}
    is_ok(stub, one({**env, **file}), "container", "AKCONTAINER3")
    is_error(one({**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\r\nHost: x"}), "E_CONFIG", "a byte that cannot be sent")
    is_error(one({**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nope"}), "E_CONFIG", "/nope: no such file")


def case_a_container_is_asked_again_and_its_errors_are_told(stub):
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": stub.url + "/creds"}
    stub.plan["/creds"] = [status(500)]
    is_ok(stub, one(env), "container", "AKCONTAINER1")
    bad = {'{"Code":"AssumeRoleUnauthorizedAccess","Message":"SECRET"}': ("E_DENIED", "it says AssumeRoleUnauthorizedAccess"),
           "<html>SECRET": ("E_CORRUPT", "no JSON object"), "": ("E_CORRUPT", "nothing instead of JSON"),
           '{"AccessKeyId":"A"}': ("E_CORRUPT", "its JSON has no SecretAccessKey"),
           '{"AccessKeyId":"A","SecretAccessKey":"SECRET","Expiration":"soon"}': ("E_CORRUPT", "is no time"),
           '{"AccessKeyId":"A","SecretAccessKey":"SEC RET"}': ("E_CORRUPT", "the secret key is empty, too long"),
           '{"AccessKeyId":"A","SecretAccessKey":"SECRET","Expiration":"2001-01-01T00:00:00Z"}': ("E_CORRUPT", "has expired"),
           "{" + " " * 65535: ("E_CORRUPT", "no JSON object"), " " * 65537: ("E_LIMIT", "more than 65536 bytes")}
    for text, (code, words) in bad.items():
        stub.plan["/creds"] = [status(200, text)] * 2
        is_error(one(env), code, "container: ", words)


def case_only_hosts_of_containers_are_spoken_to_in_plain(stub):
    def got(uri):
        return one({"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri})
    is_error(got("http://192.0.2.1/x"), "E_CONFIG", "192.0.2.1 is neither this host nor")
    is_error(got("http://169.254.170.2.example/x"), "E_CONFIG", "is neither this host")
    is_error(got("http://169.254.170.2@example.com/x"), "E_CONFIG", "no http or https URL")
    is_error(got("gopher://127.0.0.1/"), "E_CONFIG", "no http or https URL")
    is_error(got("https:///x"), "E_CONFIG", "no http or https URL")
    is_error(got("http://127.0.0.1/\n"), "E_CONFIG", "a byte that no URL has")
    is_error(one({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@x"}), "E_CONFIG", "does not begin with")
    assert stub.seen == []


# ---- instance ----


def case_an_instance_gives_credentials_and_the_region(stub):
    got = ask(instance(stub), "get", "region", "region")
    is_ok(stub, got[0], "instance metadata", "AKINSTANCE1")
    assert got[1:] == [["region", "ap-south-2"]] * 2, got
    assert [s[0] for s in stub.seen] == ["PUT", "GET", "GET", "PUT", "GET"], stub.seen


def case_an_instance_that_is_slow_is_given_two_tries(stub):
    stub.plan["/latest/api/token"] = [slow(1.3)]
    is_ok(stub, one(instance(stub)), "instance metadata", "AKINSTANCE1")
    stub.plan["/latest/api/token"] = [slow(1.3), slow(1.3)]
    begin = time.monotonic()
    got = one(instance(stub))
    took = time.monotonic() - begin
    is_error(got, "E_CONFIG", "instance metadata: http://127.0.0.1")
    assert got[3].endswith("no reply within 1000 ms, 2 tries"), got
    assert 1.9 < took < 4, took


def case_an_instance_without_a_role_gives_none(stub):
    roles = "/latest/meta-data/iam/security-credentials/"
    stub.plan[roles] = [status(404)]
    got = one(instance(stub))
    assert got[1] == "E_CONFIG" and got[3].endswith("it has no " + roles), got
    stub.plan[roles] = [status(200, "\n")]
    assert one(instance(stub))[3].endswith("the instance has no role")
    stub.plan["/latest/api/token"] = [status(403)]
    assert one(instance(stub))[3].endswith("status 403 for a token")
    stub.plan["/latest/api/token"] = [status(200, "a\r\nb")]
    assert one(instance(stub))[3].endswith("a token of no such form")


def case_what_an_instance_gives_counts_though_it_expired(stub):
    stub.life = -3600
    got = one(instance(stub))
    is_ok(stub, got, "instance metadata", "AKINSTANCE1")
    assert int(got[4]) == 600, got


# ---- processes ----


def process(script, *args):
    path = written("process", "#!/bin/sh\n" + script, 0o700)
    return config(f"[default]\ncredential_process = {path} {' '.join(args)}\n")


def case_a_process_gives_credentials(stub):
    script = 'printf \'{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"SECRET","SessionToken":"t\\/x","Expiration":"%s"}\' "$1" "$2"'
    got = one(process(script, '"A K"', time_text(1000)))
    is_error(got, "E_CORRUPT", "the access key is empty, too long or has a byte that cannot be sent")
    got = one(process(script, "'A'K\"1\"", time_text(1000)))
    assert got[:4] == ["ok", "profile default, credential_process", "AK1", hash_of("SECRET", "t/x")], got
    assert 990 <= int(got[4]) <= 1000, got
    got = one(process('printf \'{"Version":1,"AccessKeyId":"A","SecretAccessKey":"%s"}\' "$1$2$3"', "$HOME", "`x`", "|y"))
    assert got[:5] == ["ok", "profile default, credential_process", "A", hash_of("$HOME`x`|y"), "-"], got


def case_a_process_that_misbehaves_is_told_and_ended(stub):
    is_error(one(process("exit 3")), "E_IO", "it exited with 3")
    is_error(one(process("kill -9 $$")), "E_IO", "signal 9 ended it")
    is_error(one(process("yes | head -c 70000")), "E_LIMIT", "it wrote more than 65536 bytes")
    is_error(one(process("echo '{}'")), "E_CORRUPT", "the Version of its JSON is not 1")
    is_error(one(process("echo no")), "E_CORRUPT", "no JSON object")
    is_error(one(config("[default]\ncredential_process = /no/such\n")), "E_CONFIG", "cannot be started: no such program")
    is_error(one(config("[default]\ncredential_process = 'x\n")), "E_CONFIG", "a quote without an end")
    begin = time.monotonic()
    got = one(process(f"sleep 77 & echo $! > {WORK}/pid; wait"), "timeout=300ms")
    is_error(got, "E_IO", "it did not end within 300 ms")
    assert time.monotonic() - begin < 5
    time.sleep(0.2)
    cmdline = pathlib.Path(f"/proc/{(WORK / 'pid').read_text().strip()}/cmdline")
    assert not cmdline.exists() or b"77" not in cmdline.read_bytes(), "what it started is still there"


def case_a_process_may_leave_another_with_the_pipe(stub):
    begin = time.monotonic()
    got = one(process('echo \'{"Version":1,"AccessKeyId":"A","SecretAccessKey":"SECRET"}\'; sleep 3 2>/dev/null & exit 0'))
    assert got[0] == "ok" and time.monotonic() - begin < 2, got


# ---- time ----


def case_credentials_are_kept_until_they_are_about_to_expire(stub):
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": stub.url + "/creds"}
    got = ask(env, "get", "get=100", "get=3200", "get=3302", "forget", "get=3303")
    assert [g[2] for g in got] == ["AKCONTAINER1"] * 3 + ["AKCONTAINER2", "AKCONTAINER3"], got
    stub.life = 400
    got = ask(env, "get", "get=295", "get=302")
    assert [g[2] for g in got] == ["AKCONTAINER4"] * 2 + ["AKCONTAINER5"], got


def case_held_credentials_outlive_a_failed_refresh(stub):
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": stub.url + "/creds"}
    stub.plan["/creds"] = [lambda h: h.reply(200, h.server.stub.json("CONTAINER"))] + [status(503)] * 8
    got = ask(env, "get", "get=3400", "get=3410", "get=3431", "get=3601", "get=3602")
    assert [g[0] for g in got] == ["ok"] * 4 + ["error"] * 2, got
    assert [g[2] for g in got[:4]] == ["AKCONTAINER1"] * 4, got
    assert got[1][1] == "container" and "status 503" in got[1][5], got
    is_error(got[4], "E_IO", "container: its endpoint replies with status 503")
    assert len(stub.seen) == 1 + 2 * 4, len(stub.seen)


def case_tls_is_verified_with_the_given_authority(stub):
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", WORK / "key.pem", "-out",
                           WORK / "ca.pem", "-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:localhost"],
                          capture_output=True, check=False)
    if done.returncode != 0:
        print("  skipped: no openssl")
        return
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(WORK / "ca.pem", WORK / "key.pem")
    stub.server.socket = context.wrap_socket(stub.server.socket, server_side=True)
    port = stub.server.server_port
    good = ("role_arn=" + ROLE + "t", f"sts=https://localhost:{port}")
    is_ok(stub, one(env_keys(stub), *good, f"ca={WORK}/ca.pem"), f"environment, role {ROLE}t", "AKROLE2")
    is_error(one(env_keys(stub), *good), "E_IO", "SSL peer certificate")
    bundle = {"AWS_CA_BUNDLE": str(WORK / "ca.pem")}
    is_ok(stub, one({**env_keys(stub), **bundle}, *good), f"environment, role {ROLE}t", "AKROLE5")
    is_error(one(env_keys(stub), good[0], f"sts=https://127.0.0.1:{port}", f"ca={WORK}/ca.pem"), "E_IO", "SSL peer certificate")


def main():
    bad = 0
    for name, case in sorted(globals().items()):
        if name.startswith("case_"):
            with Stub() as stub:
                try:
                    case(stub)
                except AssertionError as e:
                    bad += 1
                    line = e.__traceback__.tb_next.tb_lineno
                    print(f"FAILED {name}, line {line}: {e}")
                else:
                    print(f"ok {name}")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
