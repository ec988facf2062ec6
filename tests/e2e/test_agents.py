#!/usr/bin/env python3
"""User agents end to end: what documents get of them, what rules see, and whether uap-core agrees."""
import collections
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
from kit import *  # noqa: E402,F403

AGREED_MIN = 0.99  # of the user agents that uap-core is tested with
SHOWN = 20  # differences that are printed


def agents_of(out):
    return {int(d["_id"][:8]): d["_source"].get("user_agent", {}) for d in documents(out)}


def with_agents(agents, name="agents"):
    """A folder with an event of each user agent, numbered from 10."""
    folder = Folder(name)
    for at in range(0, len(agents), 5000):
        folder.put(f"{at:08}.json", records(*[json.dumps(event(10 + at + i, userAgent=agent)).encode()
                                              for i, agent in enumerate(agents[at:at + 5000])]))
    return folder.root


def case_agents():
    """Built-in patterns and those of a file: fields of documents, seen by rules; nothing else changes."""
    data = with_agents(["aws-cli/2.15.30 Python/3.11.8 Linux/5.10.215", "ec2.amazonaws.com", "Fox \"7\" é", "-"])
    plain = replay(data, WORK / "plain")
    replay(data, WORK / "builtin", "--set", "enrich.user_agent=builtin")
    got = agents_of(WORK / "builtin")
    assert got[10] == {"original": "aws-cli/2.15.30 Python/3.11.8 Linux/5.10.215", "name": "aws-cli", "version": "2.15.30",
                       "os": {"name": "Linux", "version": "5.10.215", "full": "Linux 5.10.215"}}, got[10]
    assert got[11] == {"original": "ec2.amazonaws.com", "name": "ec2.amazonaws.com", "os": {"name": "Other"}}, got[11]
    without = {d["_id"]: d for d in documents(WORK / "plain")}
    assert len(without) == plain["records"]["delivered"] == 6
    for d in documents(WORK / "builtin"):
        if "user_agent" in d["_source"]:
            d["_source"]["user_agent"] = {"original": d["_source"]["user_agent"]["original"]}
        assert d == without[d["_id"]], (d, without[d["_id"]])
    for off in ("off", ""):
        replay(data, WORK / f"off{off}", "--set", f"enrich.user_agent={off}")
        assert state_of(WORK / f"off{off}") == state_of(WORK / "plain")
    # a file beside the config; words of the option are no files
    (WORK / "mine.yaml").write_text("user_agent_parsers: [{regex: '(Fox) (\\S+)', family_replacement: '$1 é\"'}]\n")
    (WORK / "penstock.yaml").write_text("enrich: {user_agent: mine.yaml}\n")
    replay(data, WORK / "file", "--config", WORK / "penstock.yaml", cwd="/")
    assert agents_of(WORK / "file")[12] == {"original": 'Fox "7" é', "name": 'Fox é"', "version": '"7"'}
    (WORK / "penstock.yaml").write_text("enrich: {user_agent: builtin}\n")
    replay(data, WORK / "word", "--config", WORK / "penstock.yaml", cwd="/")
    assert state_of(WORK / "word") == state_of(WORK / "builtin")
    # rules see them, without documents too; the plan of memory has them
    (WORK / "rule.yml").write_text(
        "title: the command line\nid: 6f0f0a7a-1c6e-4e7b-9b9b-0d8f3f1f7c02\nlevel: high\n"
        "logsource: {product: aws, service: cloudtrail}\n"
        "detection: {s: {user_agent.name: aws-cli, user_agent.os.name: Linux}, condition: s}\n")
    rules = ["--rules", WORK / "rule.yml", "--set", "enrich.user_agent=builtin"]
    assert replay(data, WORK / "seen", *rules)["matches"] == 1
    assert replay(data, WORK / "signals", *rules, "--signals-only")["matches"] == 1
    assert replay(data, WORK / "unseen", *rules[:2])["matches"] == 0


def case_agents_types():
    """Every type that has a user agent."""
    root = WORK / "types"
    lines = {
        "apache/access/site.log": '192.0.2.7 - - [04/Mar/2025:05:06:07 +0000] "GET /a HTTP/1.1" 200 5 "-" "aws-cli/2.1.3"\n',
        "aws-waf-logs-x/waf.log": json.dumps({
            "timestamp": 1741064767000, "webaclId": "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/n/i", "action": "ALLOW",
            "httpRequest": {"clientIp": "10.0.0.1", "uri": "/d", "headers": [{"name": "User-Agent", "value": "aws-cli/2.1.3"}]}}) + "\n",
        "E2EXAMPLE12345.2025-03-04-05.abcd1234.gz": "#Version: 1.0\n#Fields: x\n" + "\t".join(
            ["2025-03-04\t05:06:07", "DUB2-C1", "5", "10.0.0.1", "GET", "d1.cloudfront.net", "/f", "200", "-",
             "aws-cli/2.1.3%20Linux/5.1", "-", "-", "Hit", "id", "example.com", "https", "5", "0.1", "-", "-", "-", "Hit",
             "HTTP/1.1", "-", "-"]) + "\n"}
    for name, text in lines.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    got = replay(root, WORK / "out", "--set", "enrich.user_agent=builtin")
    assert got["records"]["delivered"] == 3, got
    for d in documents(WORK / "out"):
        agent = d["_source"]["user_agent"]
        assert (agent["name"], agent["version"]) == ("aws-cli", "2.1.3"), d


def case_agents_bad():
    """A file that cannot be used ends a run before it begins, in one sentence with file and line."""
    data = with_agents(["x"])
    bad = WORK / "regexes.yaml"
    bad.write_text("os_parsers:\n  - regex: 'fine'\n  - regex: '(bad'\n")
    for command in (["replay", data, "--out", WORK / "out"], ["check"]):
        done = run(*command, "--set", f"enrich.user_agent={bad}", code=2)
        assert done.stderr.startswith(b"penstock: enrich.user_agent: ") and b"regexes.yaml:3: regex" in done.stderr, done.stderr
        assert done.stderr.count(b"\n") == 1 and done.stdout == b"", done
    assert not (WORK / "out").exists()
    assert b"No such file" in run("check", "--set", "enrich.user_agent=nowhere.yaml", code=2).stderr


def scalar(text):
    """A value of uap-core's tests: one line, in quotes of either kind or none; None when it is not there."""
    text = text.strip()
    if text[:1] == "'":
        end = re.match(r"'((?:[^']|'')*)'", text)
        return end.group(1).replace("''", "'")
    if text[:1] == '"':
        end = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        return re.sub(r"\\(.)", r"\1", end.group(1))
    text = text.split(" #")[0].strip()
    return None if text in ("", "~", "null") else text


def cases_of(path):
    """What uap-core's tests say of each user agent; those that its own tests leave out are left out (js_ua)."""
    found, case = [], None
    for line in path.read_text("utf-8").splitlines():
        pair = re.match(r"\s*(-\s+)?(\w+):(.*)$", line)
        if not pair or line.lstrip().startswith("#"):
            continue
        if pair.group(1):
            case = {}
            found.append(case)
        if case is not None:
            case[pair.group(2)] = scalar(pair.group(3))
    return [c for c in found if c.get("user_agent_string") and "js_ua" not in c]


def version(case, *names):
    parts = []
    for name in names:
        if not case.get(name):
            break
        parts.append(case[name])
    return ".".join(parts) or None


def wanted_of(kind, case):
    if kind == "device":
        return {"device": case["family"]}
    if kind == "os":
        return {"os": case["family"], "os_version": version(case, "major", "minor", "patch", "patch_minor")}
    return {"name": case["family"], "version": version(case, "major", "minor", "patch")}


def case_agents_uap():
    """With the patterns of uap-core: what its own tests say of user agents, all but a hundredth."""
    import parts
    import parts_install
    folder = parts.part(parts_install.uap_core)
    files = [("ua", folder / "tests/test_ua.yaml"), ("os", folder / "tests/test_os.yaml"),
             ("device", folder / "tests/test_device.yaml"),
             ("ua", folder / "test_resources/firefox_user_agent_strings.yaml"),
             ("ua", folder / "test_resources/opera_mini_user_agent_strings.yaml"),
             ("ua", folder / "test_resources/podcasting_user_agent_strings.yaml"),
             ("os", folder / "test_resources/additional_os_tests.yaml"),
             ("ua", folder / "test_resources/pgts_browser_list.yaml")]
    cases = [(path.name, kind, case) for kind, path in files for case in cases_of(path)]
    assert len(cases) > 20000, len(cases)
    data = with_agents([case["user_agent_string"] for _, _, case in cases])
    replay(data, WORK / "out", "--no-rules", "--set", f"enrich.user_agent={folder / 'regexes.yaml'}")
    agents = agents_of(WORK / "out")
    counts, different = collections.Counter(), collections.Counter()
    for number, (name, kind, case) in enumerate(cases):
        agent = agents.get(10 + number, {})
        got = {"name": agent.get("name"), "version": agent.get("version"), "device": agent.get("device", {}).get("name"),
               "os": agent.get("os", {}).get("name"), "os_version": agent.get("os", {}).get("version")}
        want = wanted_of(kind, case)
        counts[name] += 1
        if any(got[key] != value for key, value in want.items()):
            different[name] += 1
            if sum(different.values()) <= SHOWN:
                print(f"{name}: {case['user_agent_string']!r}: {({k: got[k] for k in want})}, wanted {want}")
    for name, count in counts.items():
        print(f"{name}: {different[name]} of {count} differ")
    agreed = 1 - sum(different.values()) / sum(counts.values())
    print(f"{agreed:.3%} of {sum(counts.values())} user agents agree")
    assert agreed >= AGREED_MIN, agreed


if __name__ == "__main__":
    main(globals())
