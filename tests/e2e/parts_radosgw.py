"""parts_radosgw.py - Ceph's S3 server on a store in memory, when its packages are installed: the strict
one for tests of conformance.  Takes about 12 s to start; what it holds is gone when it stops."""
import shutil
import subprocess

from parts import ACCESS_KEY, SECRET_KEY, Part, Skip, client, free_port, status_of

FSID = "11111111-2222-3333-4444-555555555555"
OSD = "66666666-7777-8888-9999-000000000000"
BINARIES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-mgr", "ceph", "ceph-authtool", "monmaptool", "radosgw-admin")
STORE_BYTES = 4 << 30  # a maximum, nothing is taken before it is used

CAPS = {
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "mgr.x": {"mon": "allow profile mgr", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx", "mgr": "allow rw"},
}


class Radosgw(Part):
    name = "radosgw"

    def __init__(self, work):
        missing = [binary for binary in BINARIES if shutil.which(binary) is None]
        if missing:
            raise Skip("radosgw is not installed (apt-get install --no-install-recommends radosgw ceph-mon"
                       f" ceph-osd ceph-mgr ceph-common): no {missing[0]}")
        super().__init__(work)
        self.access_key, self.secret_key = ACCESS_KEY, SECRET_KEY
        self.others = []  # monitor, manager and store

    def conf(self, mon_port):
        d = self.folder
        return f"""[global]
fsid = {FSID}
mon host = v1:127.0.0.1:{mon_port}/0
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {d}/keyring
run dir = {d}/run
admin socket = {d}/run/$name.asok
log file = {d}/$name.log
pid file = {d}/run/$name.pid
crash dir = {d}/crash
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
[mon.a]
mon data = {d}/mon
mon data avail crit = 1
[mgr.x]
mgr data = {d}/mgr
[osd.0]
osd data = {d}/osd
osd objectstore = memstore
memstore device bytes = {STORE_BYTES}
osd class load list = *
osd class default list = *
osd min pg log entries = 100
osd max pg log entries = 100
osd pg log dups tracked = 100
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{self.port} tcp_nodelay=1
rgw dns name = localhost
rgw data = {d}/rgw
rgw crypt require ssl = false
"""

    def tool(self, *words):
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    def prepare(self):
        for name in ("run", "crash", "mon", "mgr", "osd", "rgw"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()
        mon_port = free_port()
        (self.folder / "ceph.conf").write_text(self.conf(mon_port))
        self.tool("ceph-authtool", "-C", "keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        for name, caps in CAPS.items():
            words = [word for cap, text in caps.items() for word in ("--cap", cap, text)]
            self.tool("ceph-authtool", "keyring", "--gen-key", "-n", name, *words)
        (self.folder / "monmap").unlink(missing_ok=True)
        self.tool("monmaptool", "--create", "--fsid", FSID, "--addv", "a", f"[v1:127.0.0.1:{mon_port}]", "monmap")
        self.tool("ceph-mon", "--conf", "ceph.conf", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")

    def start(self):
        conf = ("--conf", "ceph.conf")
        self.others.append(self.spawn(("ceph-mon", *conf, "-i", "a", "-f")))
        self.others.append(self.spawn(("ceph-mgr", *conf, "-i", "x", "-f")))
        self.tool("ceph", *conf, "--connect-timeout", "30", "osd", "new", OSD, "0")
        self.tool("ceph-osd", *conf, "-i", "0", "--mkfs", "--osd-uuid", OSD, "--keyring", "keyring")
        self.others.append(self.spawn(("ceph-osd", *conf, "-i", "0", "-f", "--keyring", "keyring")))
        self.process = self.spawn(("radosgw", *conf, "-n", "client.rgw", "-f"))

    def is_ready(self):
        return status_of(self.port) == 200

    def __enter__(self):
        super().__enter__()
        try:
            self.tool("radosgw-admin", "--conf", "ceph.conf", "user", "create", "--uid=t", "--display-name=t",
                      f"--access-key={self.access_key}", f"--secret={self.secret_key}")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        self.end(self.process)
        for process in reversed(self.others):
            self.end(process)
        self.process, self.others = None, []

    def s3(self, **more):
        return client(self.endpoint, access_key=self.access_key, secret_key=self.secret_key, **more)
