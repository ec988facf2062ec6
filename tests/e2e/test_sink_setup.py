#!/usr/bin/env python3
"""test_sink_setup.py PENSTOCK CASE - what `sink setup` puts into a cluster, what it leaves, what it says is missing."""
import json

from bulk_server import Cluster
from kit import WORK, main, replay, run

POLICY = "/_plugins/_ism/policies/penstock-rollover"


def setup(cluster, *args, code=0):
    """{path: state}."""
    done = run("sink", "setup", cluster.sink, "--json", *args, code=code)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(bool(row["reason"]) == (row["state"] == "skipped") for row in rows), rows
    return {row["path"]: row["state"] for row in rows}, done.stderr.decode()


def case_sink_setup_again():
    """A second setup changes nothing; what is there otherwise is replaced, alone."""
    with Cluster(templates=False) as cluster:
        first, _ = setup(cluster)
        assert first.pop(POLICY) == "skipped" and set(first.values()) == {"put"}, first
        assert set(first) == set(cluster.puts), first.keys() ^ cluster.puts.keys()
        kept = dict(cluster.puts)
        cluster.forbidden = "PUT"
        again, _ = setup(cluster)
        assert again.pop(POLICY) == "skipped" and set(again.values()) == {"there"} and set(again) == set(first), again
        cluster.forbidden = ""
        # of another build; of the same name but of the other kind
        cluster.puts["/_component_template/penstock-log"] = {"version": 1, "template": {}}
        cluster.puts["/_index_template/penstock-log-linux"]["_meta"] = {"penstock": "0" * 32}
        del cluster.puts["/_index_template/penstock-log"]
        mended, _ = setup(cluster)
        wanted = {"/_component_template/penstock-log": "changed", "/_index_template/penstock-log-linux": "changed",
                  "/_index_template/penstock-log": "put", POLICY: "skipped"}
        assert {path: state for path, state in mended.items() if state != "there"} == wanted, mended
        assert cluster.puts == {**kept, **{path: cluster.puts[path] for path in kept}}, cluster.puts.keys()
        words = run("sink", "setup", cluster.sink).stdout.decode()
        assert f"skipped {POLICY}: the cluster has no Index State Management" in words, words
        assert "there /_index_template/penstock-log\n" in words, words


def case_sink_setup_policy():
    """The policy of rollover is put where the plugin is, stays, and is replaced in its version."""
    with Cluster(templates=False) as cluster:
        cluster.ism = {}
        assert setup(cluster)[0][POLICY] == "put" and cluster.ism["seq"] == 7, cluster.ism
        policy = cluster.ism["policy"]
        assert policy["ism_template"][0]["index_patterns"] == ["log-*-00*"], policy
        assert policy["states"][0]["actions"] == [{"rollover": {"min_size": "100gb"}}], policy
        assert setup(cluster)[0][POLICY] == "there" and cluster.ism["seq"] == 7, cluster.ism
        cluster.ism["policy"] = {**policy, "description": "of another build"}
        assert setup(cluster)[0][POLICY] == "changed" and cluster.ism == {"policy": policy, "seq": 8}, cluster.ism
        cluster.forbidden = f"GET {POLICY}"
        assert "cluster:admin/opendistro/ism/policy/get" in setup(cluster, code=1)[1]


def case_sink_setup_rolled():
    """Types that rotate `auto` write to an alias, whose first index is made, and which the cluster can roll."""
    own, root = WORK / "types", WORK / "logs"
    own.mkdir()
    for name, index in (("shop", "log-shop"), ("till", "log-shop"), ("front", "log-aws-elb-front")):
        (own / f"{name}.yaml").write_text(f"name: {name}\nkey: {name}/\ntime: t\nindex: {index}\nrotation: auto\n")
        (root / name).mkdir(parents=True)
        (root / name / "x.json").write_text('{"t":"2025-03-04T05:06:07Z"}\n{"t":"2026-03-04T05:06:07Z"}\n')
    (WORK / "c.yaml").write_text(f"types_dir: {own}\n")
    config = ("--config", WORK / "c.yaml")
    for has_ism in (True, False):
        with Cluster(templates=False) as cluster:
            cluster.ism = {} if has_ism else None
            setup(cluster)
            out = WORK / f"out{has_ism}"
            words = run("replay", root, "--out", out, "--no-rules", "--sink", cluster.sink, *config, code=3).stderr
            assert b"or alias" in words and b"sink setup" in words and not cluster.docs, words
            got, _ = setup(cluster, *config)
            new = {path: state for path, state in got.items() if state == "put"}
            firsts = {f"/{name}-000001" for name in ("log-shop", "log-aws-elb-front")}
            rolls = {f"/_index_template/penstock-rollover-{name}" for name in ("log-shop", "log-aws-elb-front")}
            assert set(new) == firsts | (rolls if has_ism else set()), new
            assert cluster.indices["log-shop-000001"] == {"aliases": {"log-shop": {"is_write_index": True}}}
            if has_ism:
                body = cluster.puts["/_index_template/penstock-rollover-log-aws-elb-front"]
                assert body["index_patterns"] == ["log-aws-elb-front-0*"] and body["priority"] == 9, body
                assert body["composed_of"] == ["penstock-log", "penstock-log-aws-elb"], body
                settings = {"plugins.index_state_management.rollover_alias": "log-aws-elb-front"}
                assert body["template"]["settings"] == settings, body
            assert "put" not in setup(cluster, *config)[0].values()
            summary = replay(root, out, "--no-rules", "--sink", cluster.sink, *config)
            assert summary["records"]["delivered"] == 6, summary["records"]
            assert {index for index, _ in cluster.docs} == {"log-shop", "log-aws-elb-front"}, cluster.docs.keys()
            assert summary["sink"]["exactly_once"] is False and "log-shop" in summary["sink"]["aliases"], summary["sink"]
    with Cluster(templates=False) as cluster:
        replay(root, WORK / "with", "--no-rules", "--sink", cluster.sink, "--setup-sink", *config)
        assert len(cluster.docs) == 6 and len(cluster.indices) == 2, cluster.indices


def case_sink_setup_own():
    """Indices of a user's type that are no log-* have a template too: without it nothing is sent."""
    own, root = WORK / "types", WORK / "logs"
    own.mkdir()
    (own / "a.yaml").write_text("name: a\nkey: a/\ntime: t\nindex: app-shop\nrotation: weekly\n---\n"
                                "name: b\nkey: b/\ntime: t\nindex: log-b\n")
    (root / "a").mkdir(parents=True)
    (root / "a/x.json").write_text('{"t":"2025-03-04T05:06:07Z"}\n')
    (WORK / "c.yaml").write_text(f"types_dir: {own}\n")
    config = ("--config", WORK / "c.yaml")
    with Cluster(templates=False) as cluster:
        setup(cluster)
        assert b"sink setup" in run("replay", root, "--out", WORK / "no", "--no-rules", "--sink", cluster.sink, *config,
                                    code=3).stderr
        new = [path for path, state in setup(cluster, *config)[0].items() if state == "put"]
        assert new == ["/_index_template/penstock-own-app-shop"], new
        body = cluster.puts[new[0]]
        assert body["index_patterns"] == [f"app-shop-{digit}*" for digit in "012"] and body["composed_of"] == ["penstock-log"], body
        replay(root, WORK / "out", "--no-rules", "--sink", cluster.sink, *config)
        assert {index for index, _ in cluster.docs} == {"app-shop-2025-w10"}, cluster.docs.keys()
        (own / "a.yaml").write_text(f"name: a\nkey: a/\ntime: t\nindex: {'x' * 121}\n")
        assert "longer than 120 bytes" in setup(cluster, *config, code=3)[1]


OWN_FIELDS = '{"mappings":{"properties":{"basket":{"type":"flat_object"}}},"settings":{"number_of_shards":1}}'


def case_sink_setup_template():
    """`template:` of a type, from a file or as it stands: its fields go before those of ours, behind an alias too."""
    own, root = WORK / "types", WORK / "logs"
    own.mkdir()
    (own / "shop.json").write_text(OWN_FIELDS)
    for name, index, more in (("app", "app", "template: shop.json"), ("app2", "app-shop", f"template: '{OWN_FIELDS}'"),
                              ("till", "log-till", "rotation: auto\ntemplate: shop.json"),
                              ("till2", "log-till", "rotation: auto"),
                              ("front", "log-aws-elb-front", "template: shop.json")):
        (own / f"{name}.yaml").write_text(f"name: {name}\nkey: {name}/\ntime: t\nindex: {index}\n{more}\n")
        (root / name).mkdir(parents=True)
        (root / name / "x.json").write_text('{"t":"2025-03-04T05:06:07Z","basket":{"a":1}}\n')
    (WORK / "c.yaml").write_text(f"types_dir: {own}\n")
    config = ("--config", WORK / "c.yaml")
    names = ("app", "app-shop", "log-till", "log-aws-elb-front")
    for has_ism in (True, False):
        with Cluster(templates=False) as cluster:
            cluster.ism = {} if has_ism else None
            setup(cluster)
            words = run("replay", root, "--out", WORK / f"no{has_ism}", "--no-rules", "--sink", cluster.sink, *config,
                        code=3).stderr
            assert b"sink setup" in words and not cluster.docs, words
            new = {path for path, state in setup(cluster, *config)[0].items() if state == "put"}
            rolled = {"/_index_template/penstock-rollover-log-till"} if has_ism else set()
            assert new == {f"/_{kind}_template/penstock-own-{name}" for kind in ("component", "index")
                           for name in names} | rolled | {"/log-till-000001"}, new
            for name in names:
                body = cluster.puts[f"/_component_template/penstock-own-{name}"]
                assert body["template"] == json.loads(OWN_FIELDS), body
                body = cluster.puts[f"/_index_template/penstock-own-{name}"]
                assert body["composed_of"][0] == "penstock-log" and body["priority"] == 8, body
                assert body["composed_of"][-1] == f"penstock-own-{name}", body
            if has_ism:
                body = cluster.puts["/_index_template/penstock-rollover-log-till"]
                assert body["composed_of"] == ["penstock-log", "penstock-own-log-till"] and body["priority"] == 9, body
            assert "penstock-log-aws-elb" in cluster.puts["/_index_template/penstock-own-log-aws-elb-front"]["composed_of"]
            replay(root, WORK / f"out{has_ism}", "--no-rules", "--sink", cluster.sink, *config)
            assert len(cluster.docs) == 5, cluster.docs.keys()
            (own / "shop.json").write_text(OWN_FIELDS.replace("1", "2"))
            got = setup(cluster, *config)[0]
            assert {path for path, state in got.items() if state == "changed"} == {
                f"/_component_template/penstock-own-{name}" for name in names if name != "app-shop"}, got
            (own / "shop.json").write_text(OWN_FIELDS)
    for text, reason in (('{"index_patterns":["app-*"]}', "no `index_patterns`"), ('{"mappings":', "no JSON object: byte"),
                         ("[]", "cannot be read"), ("{}", "is empty"), ("missing.json", "No such file")):
        (own / "app.yaml").write_text(f"name: app\nkey: app/\ntime: t\nindex: app\ntemplate: '{text}'\n")
        words = run("types", "list", "--types-dir", own, code=3).stderr.decode()
        assert reason in words and "app.yaml:5:11:" in words, words
    (own / "app.yaml").write_text('name: app\nkey: app/\ntime: t\nindex: app-shop\ntemplate: \'{"settings":{}}\'\n')
    assert b"app and app2 have the same index" in run("types", "list", "--types-dir", own, code=3).stderr


def case_sink_setup_refused():
    """Who may not is told the permission; a cluster that is too old is told the version that is wanted."""
    for request, permission in (("GET /?", "cluster:monitor/main"),
                                ("GET /_component", "cluster:admin/component_template/get"),
                                ("PUT /_component", "cluster:admin/component_template/put"),
                                ("GET /_index", "indices:admin/index_template/get"),
                                ("PUT /_index_template/penstock-signals", "indices:admin/index_template/put")):
        with Cluster(templates=False) as cluster:
            cluster.forbidden = request
            words = setup(cluster, code=1)[1]
            assert f"the user needs the permission {permission}" in words and "403" in words, words
    for version, code in ({"number": "7.7.1"}, 3), ({"number": "6.8.0"}, 3), ({"number": "7.10.2"}, 0), ({}, 0):
        with Cluster(templates=False) as cluster:
            cluster.version = version
            words = setup(cluster, code=code)[1]
            assert ("7.8" in words and version["number"] in words and not cluster.puts) if code else cluster.puts, words


main(globals())
