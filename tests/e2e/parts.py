"""parts.py - real servers for tests, each a context manager: started on a free port of the loopback,
waited for until it answers, stopped by its process id, with all its files below a folder of the test.

    with Moto(WORK) as s3, FaultProxy(WORK, s3.port, plan=["slow_down"]) as proxy:
        client(proxy.endpoint).get_object(...)

A server that cannot be had raises Skip with the reason, which ends a test with status 77.
"""
import ctypes
import http.client
import importlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import parts_install
from parts_install import Missing

HERE = pathlib.Path(__file__).parent
START_MAX_S = 60  # a busy machine of two cores
STOP_MAX_S = 15
TRIES = 3  # starts, when somebody else has taken the port meanwhile
REGION = "us-east-1"
ACCESS_KEY, SECRET_KEY = "AKIAPENSTOCKTEST0001", "penstock/test+secret/not-a-real-one/0001"


class Skip(SystemExit):
    """Ends a test as skipped; says why."""

    def __init__(self, reason):
        print(f"skipped: {reason}", flush=True)
        super().__init__(77)


def part(make):
    try:
        return make()
    except Missing as e:
        raise Skip(str(e)) from e


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _die_with_parent():
    """A test that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def status_of(port, target="/", host="127.0.0.1"):
    """Status of a GET, or None when nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", target)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Part:
    """A process that serves on self.port.  Subclasses say command() and is_ready()."""

    name = "part"

    def __init__(self, work):
        base = pathlib.Path(work) / self.name
        number = 1
        while (folder := base.with_name(f"{self.name}-{number}")).exists():
            number += 1
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.said = self.folder / "said.txt"
        self.port = self.process = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        return status_of(self.port) is not None

    def environment(self):
        return {}

    def prepare(self):
        """After the port is known, before the start."""

    def __enter__(self):
        try:
            for attempt in range(TRIES):
                self.port = free_port()
                self.prepare()
                self.start()
                if self._wait():
                    return self
                print(f"{self.name}: start {attempt + 1} failed, port {self.port}", file=sys.stderr)
                self.stop()
            tail = self.said.read_text("utf-8", "replace")[-2000:]
            raise AssertionError(f"{self.name} did not start: {tail}")
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def spawn(self, command):
        with open(self.said, "ab") as said:
            return subprocess.Popen([os.fspath(word) for word in command], stdin=subprocess.DEVNULL, stdout=said,
                                    stderr=said, cwd=self.folder, preexec_fn=_die_with_parent,
                                    env={**os.environ, **self.environment()})

    def start(self):
        self.process = self.spawn(self.command())

    def _wait(self):
        deadline = time.monotonic() + START_MAX_S
        while time.monotonic() < deadline and self.process.poll() is None:
            # Who answers must be this process: with the port taken by another it would have ended.
            if self.is_ready() and self.process.poll() is None:
                return True
            time.sleep(0.05)
        return False

    def stop(self):
        self.end(self.process)
        self.process = None

    @staticmethod
    def end(process):
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def boto3():
    """The boto3 that is installed with moto."""
    path = str(part(parts_install.moto))
    if path not in sys.path:
        sys.path.insert(0, path)
    return importlib.import_module("boto3")


def client(endpoint, service="s3", tries=1, access_key=ACCESS_KEY, secret_key=SECRET_KEY, **config):
    """A boto3 client, path style, that signs and by itself tries only once."""
    module = boto3()
    options = importlib.import_module("botocore.config").Config(
        signature_version="s3v4" if service == "s3" else "v4", s3={"addressing_style": "path"},
        retries={"total_max_attempts": tries, "mode": "standard"},
        connect_timeout=10, **{"read_timeout": 30, **config})
    return module.client(service, endpoint_url=endpoint, region_name=REGION, config=options,
                         aws_access_key_id=access_key, aws_secret_access_key=secret_key)


def aws(server, *words):
    """AWS's own client: aws(server, "s3", "cp", ...); what it prints."""
    packages = part(parts_install.awscli)
    done = subprocess.run([sys.executable, "-B", "-m", "awscli", *map(os.fspath, words), "--endpoint-url", server.endpoint],
                          env={**os.environ, "PYTHONPATH": str(packages), "AWS_ACCESS_KEY_ID": server.access_key,
                               "AWS_SECRET_ACCESS_KEY": server.secret_key, "AWS_DEFAULT_REGION": REGION,
                               "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"},
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout.decode()


class Moto(Part):
    """moto's server: S3, STS, IAM, SQS, SNS, CloudTrail, Organizations.  Signatures are not checked
    unless asked for; then access_key and secret_key are those of a user who may do everything."""

    name = "moto"

    def __init__(self, work, checks_signatures=False):
        super().__init__(work)
        self.packages = part(parts_install.moto)
        self.checks_signatures = checks_signatures
        self.access_key, self.secret_key = ACCESS_KEY, SECRET_KEY

    def command(self):
        return [sys.executable, "-B", "-m", "moto.server", "-H", "127.0.0.1", "-p", self.port]

    def spawn(self, command):
        return super().spawn([str(word) for word in command])

    def environment(self):
        return {"PYTHONPATH": str(self.packages), "PYTHONUNBUFFERED": "1"}

    def is_ready(self):
        return status_of(self.port, "/moto-api/data.json") == 200

    def __enter__(self):
        super().__enter__()
        if self.checks_signatures:
            iam = client(self.endpoint, "iam")
            iam.create_user(UserName="penstock")
            everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
            iam.put_user_policy(UserName="penstock", PolicyName="all", PolicyDocument=json.dumps(everything))
            key = iam.create_access_key(UserName="penstock")["AccessKey"]
            self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
            self._post("/moto-api/reset-auth", b"0")
        return self

    def s3(self, **more):
        return client(self.endpoint, access_key=self.access_key, secret_key=self.secret_key, **more)

    def _post(self, target, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", target, body)
        assert connection.getresponse().status == 200
        connection.close()


class Versitygw(Part):
    """versitygw over a folder (self.data), when it was built: checks signatures, made for volume."""

    name = "versitygw"

    def __init__(self, work):
        super().__init__(work)
        self.binary = part(parts_install.versitygw)
        self.access_key, self.secret_key = ACCESS_KEY, SECRET_KEY
        self.data = self.folder / "data"
        self.data.mkdir()

    def command(self):
        return [self.binary, "--port", f"127.0.0.1:{self.port}", "--region", REGION,
                "--virtual-domain", f"localhost:{self.port}", "--keep-alive", "--quiet", "posix", self.data]

    def environment(self):
        return {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}

    def s3(self, **more):
        return client(self.endpoint, access_key=self.access_key, secret_key=self.secret_key, **more)


class FaultProxy(Part):
    """fault_proxy.py in front of a port of this machine.  requests() is what it did so far."""

    name = "fault_proxy"

    def __init__(self, work, upstream_port, **options):
        """options: seed, rates (dict), plan (list), patience, delay, hold, drip_rate; or tcp=True, seed,
        rates, plan, cut_max."""
        super().__init__(work)
        self.upstream_port = upstream_port
        self.log = self.folder / "requests.ndjson"
        self.options = options

    def command(self):
        words = [sys.executable, "-B", HERE / "fault_proxy.py", "--upstream", f"127.0.0.1:{self.upstream_port}",
                 "--port", str(self.port), "--log", self.log]
        for name, value in self.options.items():
            if value is True:
                words.append(f"--{name}")
                continue
            if isinstance(value, dict):
                value = ",".join(f"{fault}={share}" for fault, share in value.items())
            elif isinstance(value, (list, tuple)):
                value = ",".join(value)
            words += [f"--{name.replace('_', '-')}", str(value)]
        return words

    def is_ready(self):
        return f"ready {self.port}\n" in self.said.read_text("utf-8", "replace")

    def requests(self):
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def wait_requests(self, count):
        """The log once it has count lines: a line is written when a request has ended, which a client
        that was cut off does not wait for."""
        deadline = time.monotonic() + START_MAX_S
        while len(seen := self.requests()) < count:
            assert time.monotonic() < deadline, f"{len(seen)} requests of {count}: {seen}"
            time.sleep(0.02)
        return seen


class Nginx(Part):
    """TLS in front of a port of this machine; ca_file is the certificate to trust.  The server is
    localhost, 127.0.0.1 and NAME.localhost of each of names (buckets: a wildcard below a name without
    a dot is trusted by nobody).  protocol: "TLSv1.3" or "TLSv1.2"."""

    name = "nginx"

    def __init__(self, work, upstream_port, protocol="TLSv1.3", names=()):
        super().__init__(work)
        self.binary = part(parts_install.nginx)
        if shutil.which("openssl") is None:
            raise Skip("nginx cannot be used: openssl, which makes its certificates, is not there")
        self.upstream_port, self.protocol, self.names = upstream_port, protocol, names
        self.ca_file = self.folder / "ca.pem"
        self._certify()

    @property
    def endpoint(self):
        return f"https://localhost:{self.port}"

    def _openssl(self, *words):
        subprocess.run(["openssl", *map(os.fspath, words)], cwd=self.folder, check=True, capture_output=True)

    def _certify(self):
        names = "".join(f",DNS:{name}.localhost" for name in self.names)
        (self.folder / "leaf.ext").write_text(
            f"subjectAltName=DNS:localhost,IP:127.0.0.1{names}\nbasicConstraints=CA:FALSE\n"
            "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n")
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", self.ca_file, "-days", "2",
                      "-subj", "/CN=penstock test CA", "-addext", "keyUsage=critical,keyCertSign")
        self._openssl("req", *key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost")
        self._openssl("x509", "-req", "-in", "leaf.csr", "-CA", self.ca_file, "-CAkey", "ca.key", "-set_serial", "2",
                      "-days", "2", "-extfile", "leaf.ext", "-out", "leaf.pem")

    def prepare(self):
        temporary = "".join(f"    {kind}_temp_path {self.folder}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        root = "user root;\n" if os.geteuid() == 0 else ""  # the folder of the test is its owner's alone
        (self.folder / "nginx.conf").write_text(f"""{root}daemon off;
worker_processes 1;
pid {self.folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
{temporary}    access_log off;
    client_max_body_size 0;
    keepalive_timeout 75s;
    keepalive_requests 100000;
    upstream behind {{ server 127.0.0.1:{self.upstream_port}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{self.port} ssl;
        ssl_protocols {self.protocol};
        ssl_certificate {self.folder}/leaf.pem;
        ssl_certificate_key {self.folder}/leaf.key;
        location / {{
            proxy_pass http://behind;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
}}
""")

    def command(self):
        return [self.binary, "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", "stderr"]

    def is_ready(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


class FarNginx(Part):
    """A bucket's objects as nginx's files, each answered after a while (seconds).  self.data / NAME is the
    object; the pages of the listing are self.data / ".list" / N.xml, N the token, 0 the first."""

    name = "far_nginx"

    def __init__(self, work, wait):
        super().__init__(work)
        self.root, self.wait = part(parts_install.nginx_echo), wait
        self.data = self.folder / "data"
        self.data.mkdir()

    def prepare(self):
        temporary = "".join(f"    {kind}_temp_path {self.folder}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        root = "user root;\n" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(f"""{root}daemon off;
load_module {self.root}/usr/lib/nginx/modules/ngx_http_echo_module.so;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {self.folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
{temporary}    access_log off;
    keepalive_timeout 75s;
    keepalive_requests 10000000;
    open_file_cache max=10000;
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        root {self.data};
        location / {{
            if ($args ~ continuation-token=([0-9]+)) {{ set $page $1; rewrite ^ /.list/$page.xml last; }}
            if ($args ~ list-type) {{ rewrite ^ /.list/0.xml last; }}
            echo_sleep {self.wait};
            rewrite ^/[^/]+/(.*)$ /.objects/$1 break;
            echo_exec $uri;
        }}
        location /.list/ {{ internal; }}
        location /.objects/ {{ internal; alias {self.data}/; }}
    }}
}}
""")

    def command(self):
        return [self.root / "usr/sbin/nginx", "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", "stderr"]
