#!/usr/bin/env python3
"""test_credentials_oracle.py CREDENTIAL_LINES - random files and environments, resolved by us and by botocore.

Not made: what we do otherwise on purpose (IMDSv1, SSO, a code of MFA, a section that stands twice, comments
behind values, a web identity of the environment beside a profile with a role: the SDKs differ there)."""
import atexit
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

from aws_stub import ROLE, Stub

try:
    import botocore
    import botocore.session
except ImportError:
    print("skipped: botocore is not installed (pip install botocore)")
    sys.exit(77)
if tuple(int(part) for part in botocore.__version__.split(".")[:2]) < (1, 32):
    print("skipped: botocore is older than AWS_ENDPOINT_URL_STS")
    sys.exit(77)

SEED, COUNT = 20110615, 60
NAMES = ("default", "a", "b b", "c")
WORK = pathlib.Path(tempfile.mkdtemp(prefix="penstock-oracle-"))
atexit.register(shutil.rmtree, WORK, ignore_errors=True)


def keys(stub, rng, mark):
    access, secret, token = stub.new_keys("FILE", mark)
    if rng.random() < 0.5:
        stub.keys[access] = (secret, "")
        return {"aws_access_key_id": access, "aws_secret_access_key": secret}
    name = rng.choice(("aws_session_token", "aws_security_token", "aws_session_token"))
    return {"aws_access_key_id": access, "AWS_Secret_Access_Key": secret, name: token}


def process(rng, stub, mark):
    access, secret, token = stub.new_keys("PROC", mark)
    said = {"Version": 1, "AccessKeyId": access, "SecretAccessKey": secret, "SessionToken": token}
    text = json.dumps(said)
    quoted = f"'{text}'" if rng.random() < 0.5 else '"' + text.replace('"', '\\"') + '"'
    return {"credential_process": f"/bin/echo {quoted}"}


def profile(rng, stub, name, kinds):
    kind = rng.choice(kinds)
    out = {}
    if kind == "keys":
        out = keys(stub, rng, name + str(rng.random()))
    elif kind == "process":
        out = process(rng, stub, name + str(rng.random()))
    elif kind == "half":
        out = {"aws_access_key_id": "AKHALF"}
    elif kind == "web":
        out = {"role_arn": ROLE + "web", "web_identity_token_file": str(WORK / "web")}
    elif kind == "role":
        out = {"role_arn": ROLE + name.replace(" ", "-"), "source_profile": rng.choice(NAMES)}
    elif kind == "source":
        out = {"role_arn": ROLE + "src",
               "credential_source": rng.choice(("Environment", "EcsContainer", "Ec2InstanceMetadata"))}
    elif kind == "both":
        out = {**keys(stub, rng, name), "role_arn": ROLE + "both", "source_profile": rng.choice((name, *NAMES))}
    if "role_arn" in out and rng.random() < 0.3:
        out["external_id"] = rng.choice(("x1", "a/b=c&d"))
    if "role_arn" in out and kind != "web" and rng.random() < 0.3:
        out["duration_seconds"] = "900"
    return out


def section_text(rng, title, values):
    lines = [f"[{title}]"]
    if rng.random() < 0.3:
        lines += ["s3 =", "  region = nested", "  aws_access_key_id = NO"]
    for key, value in values.items():
        lines += [rng.choice(("{}={}", "{} = {}", "{}  :  {} ")).format(key, value)]
        if rng.random() < 0.2:
            lines += [rng.choice(("", "# comment", "; other = x"))]
    return "\n".join(lines) + rng.choice(("\n", "\n\n", "\r\n"))


def title_of(rng, name):
    if name == "default":
        return rng.choice(("default", "profile default"))
    return f'profile "{name}"' if " " in name else f"profile {name}"


def setup(rng, stub):
    """(environment, profile that is given or None)"""
    kinds = ("keys", "process", "half", "web", "role", "role", "role", "source", "both", "none")
    config = {n: profile(rng, stub, n, kinds) for n in NAMES if rng.random() < 0.8}
    shared = {n: profile(rng, stub, n, ("keys", "keys", "none", "half", "process")) for n in NAMES if rng.random() < 0.35}
    (WORK / "config").write_text("".join(section_text(rng, title_of(rng, n), v) for n, v in config.items()))
    (WORK / "credentials").write_text("".join(section_text(rng, n, v) for n, v in shared.items()))
    env = {"HOME": str(WORK), "PATH": os.environ["PATH"], "AWS_ENDPOINT_URL_STS": stub.url,
           "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": str(WORK / "config"),
           "AWS_SHARED_CREDENTIALS_FILE": str(WORK / "credentials"), "AWS_EC2_METADATA_SERVICE_ENDPOINT": stub.url,
           "AWS_EC2_METADATA_DISABLED": rng.choice(("true", "false"))}
    there = sorted({*config, *shared})
    given = rng.choice(there) if there and rng.random() < 0.3 else None
    if given is None and there and rng.random() < 0.4:
        env["AWS_PROFILE"] = rng.choice(there)
    top = given or env.get("AWS_PROFILE", "default")
    if rng.random() < 0.3:
        access, secret, token = stub.new_keys("ENV", "env")
        env |= {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
        if rng.random() < 0.1:
            del env["AWS_SECRET_ACCESS_KEY"]
    if rng.random() < 0.4:
        env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = stub.url + "/creds"
    if rng.random() < 0.25 and "role_arn" not in config.get(top, {}):
        env |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(WORK / "web"), "AWS_ROLE_ARN": ROLE + "pod"}
    return env, given


def botocore_finds(env, given):
    os.environ.clear()
    os.environ.update(env)
    try:
        found = botocore.session.Session(profile=given).get_credentials()
        frozen = found and found.get_frozen_credentials()
    except Exception as e:  # whatever it says, it has none
        return None, f"{type(e).__name__}: {e}"
    if not frozen:
        return None, "nothing"
    text = f"{frozen.secret_key}\n{frozen.token or ''}"
    return (frozen.access_key, hashlib.sha256(text.encode()).hexdigest()), found.method


def we_find(env, given):
    words = [f"profile={given}"] if given else []
    done = subprocess.run([sys.argv[1], *words, "get"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    fields = done.stdout.rstrip("\n").split("\t")
    if fields[0] == "error":
        return None, fields[3]
    return (fields[2], fields[3]), fields[1]


def main():
    rng = random.Random(int(os.environ.get("PENSTOCK_SEED", SEED)))
    (WORK / "web").write_text("web-token")
    ours_env = dict(os.environ)
    methods, bad = collections.Counter(), 0
    with Stub() as stub:
        stub.is_steady = True
        for i in range(COUNT):
            env, given = setup(rng, stub)
            (theirs, how), (ours, why) = botocore_finds(env, given), we_find(env, given)
            methods[how if theirs else "none"] += 1
            if theirs != ours:
                bad += 1
                print(f"set-up {i}, profile {given}: botocore {theirs} ({how}), we {ours} ({why})\n{env}\n"
                      f"{(WORK / 'config').read_text()}---\n{(WORK / 'credentials').read_text()}")
    os.environ.update(ours_env)
    print(f"{COUNT} set-ups, {bad} differ; by botocore: {dict(methods)}")
    assert len(methods) >= 7, "the set-ups do not reach every source"
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
