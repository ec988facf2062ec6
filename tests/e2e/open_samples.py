"""open_samples.py - the open samples of PENSTOCK_DATA as a bucket would hold them: each folder as it is, and files whose
name and content say no type once more under a key of their type."""
import json
import pathlib
import shutil

ACCOUNT = "AWSLogs/123456789012"
ELB = f"{ACCOUNT}/elasticloadbalancing/eu-west-1/2025/03/04/123456789012_elasticloadbalancing_eu-west-1"
DAY = "eu-west-1/2025/03/04"
# No logs: rules, queries, broken archives and JSON texts, and the oracles, whose records test_opensearch_types takes.
NOT_LOGS = {"DataDog+datadog-api-client-go", "DataDog+terraform-provider-datadog", "SigmaHQ+sigma", "facebook+zstd",
            "nst+JSONTestSuite", "panther-labs+panther-analysis", "siem_oracle", "sigma_oracle", "vectordotdev+vector",
            "vectordotdev+vrl", "zlib-ng+zlib-ng"}
KEYS = (  # files of a folder; a key of their type, where {number} is the file's place in the sorted list, from 0
    ("falcosecurity+falco/test/trace_files/k8s_audit/*.json", f"{ACCOUNT}/EKS/audit/{DAY}/{{number}}.json"),
    ("crowdsecurity+hub/.tests/k8s-audit*/*.log", f"{ACCOUNT}/EKS/audit/{DAY}/crowd-{{number}}.json"),
    ("grafana+lambda-promtail/testdata/albaccesslog.log.gz", f"{ELB}_app.x.1_20250304T0510Z_192.0.2.1_0a1b2c3d.log.gz"),
    ("grafana+lambda-promtail/testdata/nlbaccesslog.log.gz", f"{ELB}_net.x.1_20250304T0510Z_0a1b2c3d.log.gz"),
    ("grafana+lambda-promtail/testdata/cloudfront.log.gz", "cdn/EABCDEFGHIJKL.2025-03-04-05.0a1b2c3d.gz"),
    ("grafana+lambda-promtail/testdata/cloudtrail-log-file.json.gz", f"{ACCOUNT}/CloudTrail/{DAY}/promtail.json.gz"),
    ("grafana+lambda-promtail/testdata/msklog.log.gz", f"{ACCOUNT}/KafkaBrokerLogs/eu-west-1/x.log.gz"),
    ("grafana+lambda-promtail/testdata/s3accesslog.log", "access/2025-03-04-05-06-07-0123456789ABCDE0"),
    ("grafana+lambda-promtail/testdata/vpcflowlog.log.gz", f"{ACCOUNT}/vpcflowlogs/{DAY}/promtail.log.gz"),
    ("grafana+lambda-promtail/testdata/waflog.log.gz", f"{ACCOUNT}/WAFLogs/123456789012_waflogs_eu-west-1_X_x.log.gz"),
    ("adanalvarez+TrailDiscover/events/**/*.cloudtrail", f"{ACCOUNT}/CloudTrail/{DAY}/discover-{{number}}.json"),
    ("opensearch-project+opensearch-catalog/integrations/observability/aws_cloudtrail/data/raw*",
     f"{ACCOUNT}/CloudTrail/{DAY}/catalog-{{number}}.json"),
    ("opensearch-project+opensearch-catalog/integrations/observability/aws_waf/data/raw.log",
     "aws-waf-logs-x/catalog-{number}"),
    ("opensearch-project+opensearch-catalog/integrations/observability/amazon_s3/data/raw.log",
     "access/2025-03-04-05-06-07-0123456789ABCDE1"),
    ("opensearch-project+opensearch-catalog/integrations/observability/amazon_rds/data/raw.log", "postgresql/catalog"),
    ("aws-solutions+centralized*/source/**/datafile/waf.log", "aws-waf-logs-x/central-{number}"),
    ("aws-solutions+centralized*/source/**/datafile/s3.log", "access/2025-03-04-05-06-07-0123456789ABCDE2"),
    ("aws-solutions+centralized*/source/**/datafile/rds.log", "mysql/slowquery/central"),
    ("aws-solutions+centralized*/source/**/alb.log.gz", f"{ELB}_app.x.1_20250304T0515Z_192.0.2.1_0a1b2c3d.log.gz"),
    ("aws-solutions+automated-security-response-on-aws/simtest/simdata/*.json", "SecurityHub/{number}.json"),
    ("aws-solutions+centralized*/source/**/cloudfront.log.gz", "cdn/EABCDEFGHIJKL.2025-03-04-06.0a1b2c3d.gz"),
    ("aws-solutions+centralized*/source/**/cloudfront.log", "cdn/EABCDEFGHIJKM.2025-03-04-05.0a1b2c{number:02}.gz"),
    ("opensearch-project+opensearch-catalog/integrations/observability/amazon_cloudfront/data/raw.log",
     "cdn/EABCDEFGHIJKN.2025-03-04-05.0a1b2c{number:02}.gz"),
    ("claygregory+node-cloudfront-log-parser/test/fixtures/[rw]*.txt",
     "cdn/EABCDEFGHIJKP.2025-03-04-05.0a1b2c{number:02}.gz"),
    ("claygregory+node-cloudfront-log-parser/test/fixtures/kinesis*.txt", "CloudFront/x/realtime/{number}"),
    ("crowdsecurity+hub/.tests/aws-cloudfront-logs/*.log", "cdn/EABCDEFGHIJKQ.2025-03-04-05.0a1b2c{number:02}.gz"),
    ("crowdsecurity+hub/.tests/pgsql-logs/*.log", "postgresql/crowd-{number}"),
    ("crowdsecurity+hub/.tests/m[ya]*-logs/*.log", "mysql/error/crowd-{number}"),
    ("crowdsecurity+hub/.tests/[sp][sa]*/*.log", "x/linux/secure/crowd-{number}"),
    ("crowdsecurity+hub/.tests/syslog*/*.log", "x/linux/crowd-{number}"),
    ("crowdsecurity+hub/.tests/auditd*/*.log", "x/linux/audit-{number}"),
    ("darold+pgbadger/t/fixtures/*", "postgresql/badger-{number}"),
    ("percona+go-mysql/test/slow-logs/*.log", "mysql/slowquery/percona-{number}"),
    ("elastic+beats/filebeat/module/kafka/log/test/*.log", f"{ACCOUNT}/KafkaBrokerLogs/eu-west-1/beats-{{number}}"),
    ("flosell+trailscraper/tests/smoke/events*.json", f"{ACCOUNT}/CloudTrail/{DAY}/scraper-{{number}}.json"),
)


LOGSTASH = "OTRF+Security-Datasets/datasets/atomic/aws/**/*.json"  # CloudTrail, with the time under Logstash's name


def put_logstash(data, root):
    """Its events with the time where CloudTrail has it."""
    paths = sorted(pathlib.Path(data).glob(LOGSTASH))
    assert paths, LOGSTASH
    for number, path in enumerate(paths):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        to = root / f"{ACCOUNT}/CloudTrail/{DAY}/logstash-{number}.json"
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text("".join(json.dumps({"eventTime": row.pop("@timestamp"), **row}) + "\n" for row in rows))


def put_open_samples(data, root):
    """Copies the samples of `data` into `root`; a table that names what is not there is an error."""
    folders = {path.name for path in pathlib.Path(data).iterdir() if path.is_dir()}
    assert NOT_LOGS <= folders, NOT_LOGS - folders
    for name in sorted(folders - NOT_LOGS):  # also what is of no type: it must do no harm
        shutil.copytree(pathlib.Path(data) / name, root / "folders" / name)
    for pattern, key in KEYS:
        paths = sorted(path for path in pathlib.Path(data).glob(pattern) if path.is_file())
        assert paths, pattern
        for number, path in enumerate(paths):
            to = root / "keys" / key.format(number=number)
            assert not to.exists(), to
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
    put_logstash(data, root / "keys")
