"""types_made.py - made records of log types and what their documents must have."""
import hashlib
import json

ACCOUNT = "AWSLogs/123456789012"
MISSING = "is not there"


def lines(*rows):
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


MADE = {}

MADE["waf"] = {
    "type": "waf",
    "key": f"{ACCOUNT}/WAFLogs/eu-west-1/shop/2025/03/04/05/00/123456789012_waflogs_eu-west-1_shop_x.log.gz",
    "body": lines(
        {"timestamp": 1741064767123, "webaclId": "arn:aws:wafv2:eu-west-1:210987654321:regional/webacl/shop/0a-1b",
         "terminatingRuleId": "block-bots", "action": "BLOCK",
         "httpRequest": {"clientIp": "198.51.100.7", "httpMethod": "GET", "uri": "/a", "args": "b=c",
                         "httpVersion": "HTTP/2.0",
                         "headers": [{"name": "Host", "value": "shop.example"},
                                     {"name": "User-Agent", "value": "first \"agent\""},
                                     {"name": "user-agent", "value": "second"},
                                     {"name": "Referer", "value": "https://r.example/"},
                                     {"name": "Authorization", "value": "Bearer secret"}]}},
        {"timestamp": 1741064768000, "webaclId": "0a1b2c3d", "action": "ALLOW",
         "httpRequest": {"clientIp": "2001:db8::1", "headers": []}}),
    "wants": [
        {"_index": "log-aws-waf-2025-03", "@timestamp": "2025-03-04T05:06:07.123000+00:00",
         "source.ip": "198.51.100.7", "event.action": "BLOCK", "event.kind": "alert", "url.domain": "shop.example",
         "url.path": "/a", "url.query": "b=c", "http.version": "2.0", "http.request.method": "GET",
         "http.request.referrer": "https://r.example/", "user_agent.original": "second",
         "rule.name": "block-bots", "rule.ruleset": "shop", "cloud.region": "eu-west-1",
         "cloud.account.id": "210987654321",
         "httpRequest.header": {"host": "shop.example", "user_agent": "second", "referer": "https://r.example/"},
         "httpRequest.headers.value": ["shop.example", "first \"agent\"", "second", "https://r.example/",
                                       "REDACTED"]},
        {"source.ip": "2001:db8::1", "rule.ruleset": "0a1b2c3d", "cloud.region": "global",
         "cloud.account.id": "123456789012", "httpRequest.header": MISSING}],
}

FRONT = ["2025-03-04", "05:06:07", "FRA56-P1", "1045", "198.51.100.7", "GET", "d1.cloudfront.net", "/a/b.js", "200",
         "https://r.example/", "Some%20%22Agent%22/1.0%20%C3%A9", "q=1&r=%2520", "-", "Hit", "req-id==",
         "www.example.com", "https", "88", "0.001", "-", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "Hit", "HTTP/2.0",
         "-", "-"]
FRONT_MORE = ["51234", "0.001", "Hit", "text/javascript", "1000", "-", "-"]
MADE["cloudfront_standard"] = {
    "type": "cloudfront-standard",
    "key": f"{ACCOUNT}/CloudFront/EMADE1234567XY.2025-03-04-05.0a1b2c3d.gz",
    "body": lines("#Version: 1.0", "#Fields: date time x-edge-location", "\t".join(FRONT + FRONT_MORE),
                  "\t".join(FRONT), "\t".join(FRONT[:9])),
    "wants": [
        {"_index": "log-aws-cloudfront-2025-03", "@timestamp": "2025-03-04T05:06:07+00:00",
         "date_time": "2025-03-04 05:06:07", "source.ip": "198.51.100.7", "source.port": 51234,
         "url.domain": "www.example.com", "url.full": "https://www.example.com/a/b.js?q=1&r=%2520",
         "http.version": "2.0", "http.response.status_code": 200, "cloud.region": "global",
         "user_agent.original": "Some \"Agent\"/1.0 \u00e9", "distribution_id": "EMADE1234567XY",
         "cs_cookie": MISSING, "sc_content_type": "text/javascript"},
        {"source.ip": "198.51.100.7", "source.port": MISSING, "c_port": MISSING},
        {"event.kind": "pipeline_error", "error.message": "fewer columns than its type has",
         "@message": "\t".join(FRONT[:9])}],
}

REAL = ["1741064767.123", "198.51.100.7", "0.002", "404", "553", "GET", "https", "www.example.com",
        "/i?p=web&x=1", "88", "FRA56-P1", "req-id==", "d1.cloudfront.net", "0.003", "HTTP/1.1", "IPv4",
        "curl%2F8.0", "-", "-", "p=web&x=1", "Error", "-", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "Error", "-", "-",
        "text/html", "553", "-", "-", "51234", "Error", "DE", "-", "*/*", "*",
        "Host:www.example.com%0A", "Host%0A", "1"]
MADE["cloudfront_realtime"] = {
    "type": "cloudfront-realtime",
    "key": f"{ACCOUNT}/CloudFront/global/EMADE1234567XY/realtime/2025/03/04/05/part-1",
    "body": lines("\t".join(REAL)),
    "wants": [
        {"_index": "log-aws-cloudfront-2025-03", "@timestamp": "2025-03-04T05:06:07.123000+00:00",
         "source.ip": "198.51.100.7", "url.domain": "www.example.com", "url.path": "/i", "url.query": "p=web&x=1",
         "url.full": "https://www.example.com/i?p=web&x=1", "http.version": "1.1",
         "user_agent.original": "curl/8.0", "cloud.region": "global", "distribution_id": "EMADE1234567XY"}],
}

DUTY = "aws/guardduty/service/action/"
HUB = {"Id": "arn:finding/1", "AwsAccountId": "210987654321", "UpdatedAt": "2025-03-04T05:06:07.100Z",
       "Workflow": {"Status": "NEW"}, "Title": "A title.", "Description": "words", "Severity": {"Normalized": 70}}
MADE["securityhub"] = {
    "type": "securityhub",
    "key": f"{ACCOUNT}/SecurityHub/eu-west-1/2025/03/04/05/x.gz",
    "body": lines({"findings": [
        {**HUB, "Types": ["TTPs/Command and Control/Backdoor:EC2-C&CActivity.B!DNS"],
         "ProductFields": {"aws/securityhub/ProductName": "GuardDuty", DUTY + "actionType": "NETWORK_CONNECTION",
                           DUTY + "networkConnectionAction/connectionDirection": "OUTBOUND",
                           DUTY + "networkConnectionAction/remoteIpDetails/ipAddressV4": "198.51.100.7",
                           "aws/guardduty/resource/instanceDetails/networkInterfaces.0_/privateIpAddress":
                               "10.0.0.9"},
         "Resources": [{"Type": "AwsEc2Instance", "Region": "eu-west-1", "Id": "arn:aws:ec2:::instance/i-0a",
                        "Details": {"AwsEc2Instance": {"IpV4Addresses": ["10.0.0.9", "203.0.113.9"]}}}]},
        {**HUB, "Types": ["Software and Configuration Checks/Vulnerabilities/CVE-2025-1"],
         "Title": "CVE-2025-1 - openssl", "Workflow": {"Status": "RESOLVED"},
         "ProductFields": {"aws/securityhub/ProductName": "Inspector"},
         "Resources": [{"Type": "AwsIamRole", "Id": "arn:aws:iam::210987654321:role/ops"}]}]}),
    "wants": [
        {"_index": "log-aws-securityhub-2025-03", "_id": "arn:finding/1_a7e142229b1132aa55f9de5d986ecb1e",
         "@id": "arn:finding/1", "@timestamp": "2025-03-04T05:06:07.100+00:00", "event.module": "guardduty",
         "event.category": "malware", "ThreatPurpose": "Backdoor", "ResourceTypeAffected": "EC2",
         "ThreatFamilyName": "C&CActivity", "DetectionMechanism": "B", "Artifact": "DNS",
         "network.direction": "outbound", "source.ip": "10.0.0.9", "destination.ip": "198.51.100.7",
         "related.ip": ["10.0.0.9", "198.51.100.7", "203.0.113.9"], "related.hosts": ["i-0a"],
         "cloud.instance.id": "i-0a", "rule.name": "A title", "cloud.account.id": "210987654321"},
        {"event.module": "inspector", "event.category": "package", "user.name": "ops", "related.user": ["ops"],
         "rule.id": "Software and Configuration Checks/Vulnerabilities/CVE-2025-1",
         "@timestamp": "2025-03-04T05:06:07.100000+00:00"}],
}

INSPECT = {"findingArn": "arn:aws:inspector2:eu-west-1:123456789012:finding/0a", "severity": "HIGH",
           "title": "CVE-2025-1 - openssl", "description": "bad", "type": "PACKAGE_VULNERABILITY",
           "remediation": {"recommendation": {"text": "update"}},
           "packageVulnerabilityDetails": {"vulnerabilityId": "CVE-2025-1"}}
MADE["inspector"] = {
    "type": "inspector",
    "key": f"{ACCOUNT}/aws.inspector2/Inspector2_Finding/eu-west-1/2025/03/04/05/x.gz",
    "body": lines(
        {**INSPECT, "updatedAt": "Mar 4, 2025, 5:06:07 PM",
         "resources": [{"type": "AWS_EC2_INSTANCE", "id": "i-0a",
                        "details": {"awsEc2Instance": {"ipV4Addresses": ["10.0.0.9"]}}}]},
        {**INSPECT, "updatedAt": "2025-03-04T17:06:07.250Z", "type": "NETWORK_REACHABILITY",
         "networkReachabilityDetails": {"protocol": "TCP", "openPortRange": {"begin": 22, "end": 23}},
         "resources": [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": "arn:image"}]}),
    "wants": [
        {"_index": "log-aws-inspector-2025-03", "_id": "b77aec1e879692ae5e01b6cf4671751c_1741107967", "event.module": "inspector",
         "@timestamp": "2025-03-04T17:06:07+00:00", "cloud.instance.id": "i-0a", "related.hosts": ["i-0a"],
         "related.ip": ["10.0.0.9"], "rule.id": "PACKAGE_VULNERABILITY_CVE-2025-1", "rule.category": "vulnerability",
         "vulnerability.description": "bad\n\nRemediation: update", "vulnerability.severity": "HIGH",
         "inspector.severity": "HIGH", "inspector.resources.id": ["i-0a"], "severity": MISSING},
        {"@timestamp": "2025-03-04T17:06:07.250000+00:00", "rule.id": "NETWORK_REACHABILITY_TCP_22_23",
         "cloud.instance.id": MISSING, "related.hosts": MISSING}],
}

MADE["eks_audit"] = {
    "type": "eks-audit",
    "key": f"{ACCOUNT}/EKS/audit/eu-west-1/2025/03/04/x.log.gz",
    "body": lines(
        {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "auditID": "a-1",
         "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/prod/pods/web/exec?command=sh",
         "verb": "create", "user": {"username": "kim", "groups": ["dev"]},
         "sourceIPs": ["198.51.100.7", "10.0.0.1"], "userAgent": "kubectl/1.30",
         "objectRef": {"resource": "pods", "namespace": "prod", "name": "web", "subresource": "exec"},
         "responseStatus": {"code": 101}, "requestReceivedTimestamp": "2025-03-04T05:06:07.000001Z",
         "stageTimestamp": "2025-03-04T05:06:07.000501Z",
         "annotations": {"authorization.k8s.io/decision": "allow"}},
        {"auditID": "a-2", "stage": "ResponseComplete", "verb": "get", "responseStatus": {"code": 403},
         "stageTimestamp": "2025-03-04T05:06:08Z", "annotations": {"authorization.k8s.io/decision": "forbid"}}),
    "wants": [
        {"_index": "log-aws-eks-2025-03", "_id": "a-1_ResponseComplete", "event.module": "kubernetes.audit",
         "@timestamp": "2025-03-04T05:06:07.000501+00:00", "event.outcome": "success", "event.duration": 500000,
         "event.action": "create", "source.ip": "198.51.100.7", "related.ip": ["10.0.0.1", "198.51.100.7"],
         "url.path": "/api/v1/namespaces/prod/pods/web/exec", "url.query": "command=sh",
         "orchestrator.resource.type": "pods", "user.username": "kim", "user.name": "kim"},
        {"_id": "a-2_ResponseComplete", "event.outcome": "failure"}],
}

SECURE = ["Mar  4 05:06:07 web1 sshd[12]: Accepted publickey for kim from 2001:db8::7 port 51234 ssh2: ED25519 x",
          "Mar  4 05:06:08 web1 sshd[13]: Failed password for invalid user bob from 198.51.100.7 port 51235 ssh2",
          "Mar  4 05:06:09 web1 sudo:      kim : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/cat /etc/shadow",
          "Mar  4 05:06:10 web1 sshd[12]: Received disconnect from 198.51.100.7 port 51235:11: bye",
          "2025-03-04T05:06:11.25+01:00 web1 cron[9]: nothing to see"]
MADE["linux_secure"] = {
    "type": "linux-secure",
    "key": f"{ACCOUNT}/EC2/Linux/Secure/eu-west-1/x",
    "body": lines(*SECURE, "no log at all"),
    "wants": [
        {"host.hostname": "web1", "process.name": "sshd", "process.pid": 12, "event.action": "Accepted",
         "event.outcome": "success", "event.category": "authentication", "event.module": "secure",
         "user.name": "kim", "source.ip": "2001:db8::7", "source.port": 51234, "related.hosts": ["web1"]},
        {"event.action": "Failed", "event.outcome": "failure", "user.name": "bob", "source.ip": "198.51.100.7"},
        {"event.action": "/bin/cat /etc/shadow", "event.outcome": "success", "user.name": "kim"},
        {"event.action": "Received disconnect", "event.outcome": MISSING, "user.name": MISSING, "source.port": 51235},
        {"_index": "log-linux-secure-2025-03", "@timestamp": "2025-03-04T05:06:11.250000+01:00",
         "process.name": "cron"},
        {"event.kind": "pipeline_error", "@message": "no log at all"}],
}

MADE["linux_os_syslog"] = {
    "type": "linux-os-syslog",
    "key": f"{ACCOUNT}/EC2/Linux/System/eu-west-1/x",
    "body": lines("Mar  4 05:06:07 web1 kernel: Out of memory"),
    "wants": [{"host.hostname": "web1", "process.name": "kernel", "syslog_message": "Out of memory",
               "event.module": "system"}],
}

MADE["msk"] = {
    "type": "msk",
    "key": f"{ACCOUNT}/KafkaBrokerLogs/eu-west-1/x.log.gz",
    "body": lines("[2025-03-04 05:06:07,123] ERROR it broke (kafka.Log)", "java.lang.Exception: why",
                  "[2025-03-04 05:06:08,000] INFO on"),
    "wants": [{"_index": "log-aws-msk-2025-03", "@timestamp": "2025-03-04T05:06:07.123000+00:00",
               "log.level": "ERROR", "msk.message": "it broke (kafka.Log)\njava.lang.Exception: why",
               "message": MISSING}, {"msk.message": "on"}],
}

MADE["rds_postgresql"] = {
    "type": "rds-postgresql",
    "key": f"{ACCOUNT}/RDS/PostgreSQL/postgresql/eu-west-1/x",
    "body": lines("2025-03-04 05:06:07 UTC:198.51.100.7(51234):kim@shop:[77]:ERROR:  no such table", "\tat 1",
                  "2025-03-04 05:06:08 UTC::@:[78]:LOG:  checkpoint starting: time",
                  "2025-03-04 05:06:09 UTC::@:[78]:LOG:  duration: 1234.500 ms  bind s1: SELECT 2;",
                  "2025-03-04 05:06:10 UTC::@:[78]:LOG:  duration: 0.25 ms",
                  "2025-03-04 05:06:11 UTC::@:[78]:LOG:  statement: SELECT 3;",
                  "2025-03-04 05:06:12 UTC::@:[78]:LOG:  disconnection: session time: 1:02:03.450 user=kim"),
    "wants": [{"_index": "log-aws-rds-postgresql-2025-03", "@timestamp": "2025-03-04T05:06:07+00:00",
               "source.ip": "198.51.100.7", "source.port": 51234, "user.name": "kim", "process.pid": 77,
               "log.level": "ERROR", "rds.database_name": "shop", "rds.message": "no such table\n\tat 1",
               "postgresql.user": "kim"},
              {"log.level": "LOG", "source.ip": MISSING, "user.name": MISSING, "rds.query": MISSING},
              {"postgresql.duration_ms": "1234.500", "rds.query_time": "1.2345", "rds.query": "SELECT 2",
               "postgresql.query_step": "bind"},
              {"rds.query_time": "0.00025", "rds.query": MISSING, "postgresql.query_step": MISSING},
              {"rds.query": "SELECT 3", "postgresql.query_step": "execute"},
              {"postgresql.session_time_seconds": "3723.45"}],
}

MYSQL = f"{ACCOUNT}/RDS/MySQL"
MADE["rds_mysql_audit"] = {
    "type": "rds-mysql-audit",
    "key": f"{MYSQL}/audit/eu-west-1/x",
    "body": lines(r"1741064767123456,db1,kim,198.51.100.7,5,12,QUERY,shop,'SELECT \'a\', b FROM t',0",
                  "1741064768000000,db1,eve,198.51.100.8,6,0,FAILED_CONNECT,,,1045",
                  "1741064769000000,db1,kim,198.51.100.7,5,13,READ,shop,orders,"),
    "wants": [{"@timestamp": "2025-03-04T05:06:07.123456+00:00", "rds.query": "SELECT 'a', b FROM t",
               "rds.database_name": "shop", "event.outcome": "success", "user.name": "kim", "event.module": "audit",
               "source.ip": "198.51.100.7", "mysql.operation": "QUERY"},
              {"event.outcome": "failure", "event.action": "failed", "event.category": "authentication"},
              {"event.outcome": MISSING, "rds.query": "orders"}],
}
MADE["rds_mysql_error"] = {
    "type": "rds-mysql-error",
    "key": f"{MYSQL}/error/eu-west-1/x",
    "body": lines("2025-03-04T05:06:07.123456Z 12 [Warning] Aborted connection", "2025-03-04 05:06:08 0x1 InnoDB: x",
                  "*** (1) TRANSACTION:", "2025-03-04  5:06:09 8 [Warning] Access denied"),
    "wants": [{"@timestamp": "2025-03-04T05:06:07.123456+00:00", "log.level": "Warning", "mysql.thread_id": "12",
               "rds.message": "Aborted connection"}, {"mysql.message": "0x1 InnoDB: x\n*** (1) TRANSACTION:"},
              {"@timestamp": "2025-03-04T05:06:09+00:00", "mysql.thread_id": "8", "rds.message": "Access denied"}],
}
MADE["rds_mysql_slowquery"] = {
    "type": "rds-mysql-slowquery",
    "key": f"{MYSQL}/slowquery/eu-west-1/x",
    "body": lines("# Time: 2025-03-04T05:06:07.123456Z", "# User@Host: kim[kim] @  [198.51.100.7]  Id:   116",
                  "# Query_time: 2.5  Lock_time: 0.0001 Rows_sent: 1  Rows_examined: 9", "use shop;", "SET timestamp=1;",
                  "SELECT 1", "FROM t;",
                  "# Time: 250304  5:06:08", "# User@Host: lee[lee] @ [198.51.100.8]", "# Thread_id: 9  Schema: shop  QC_hit: No",
                  "# Query_time: 3.25  Lock_time: 0.0  Rows_sent: 1  Rows_examined: 1", "# Rows_affected: 0", "#",
                  "# explain: 1\tSIMPLE", "SET timestamp=2;", "SELECT 2;"),
    "wants": [{"@timestamp": "2025-03-04T05:06:07.123456+00:00", "user.name": "kim", "source.ip": "198.51.100.7",
               "rds.query_time": "2.5", "rds.query": "SELECT 1\nFROM t", "rds.database_name": "shop", "mysql.thread_id": "116"},
              {"@timestamp": "2025-03-04T05:06:08+00:00", "user.name": "lee", "source.ip": "198.51.100.8",
               "rds.query_time": "3.25", "rds.query": "SELECT 2", "mysql.thread_id": "9"}],
}
MADE["rds_mysql_general"] = {
    "type": "rds-mysql-general",
    "key": f"{MYSQL}/general/eu-west-1/x",
    "body": lines("2025-03-04T05:06:07.123456Z\t   12 Query\tSELECT 1", "FROM t", "2025-03-04T05:06:08Z   12 Init DB\tshop"),
    "wants": [{"@timestamp": "2025-03-04T05:06:07.123456+00:00", "mysql.command": "Query",
               "rds.query": "SELECT 1\nFROM t"}, {"mysql.command": "Init DB", "rds.query": "shop"}],
}

SITE = "AWSLogs/aws-account-id=123456789012/service={}/web-site-name=shop/aws-region=eu-west-1/year=2025/x"
ASKED = "[04/Mar/2025:05:06:07 +0100]"
MADE["apache_access"] = {
    "type": "apache-access",
    "key": SITE.format("apache-access"),
    "body": lines(
        f'198.51.100.7 - kim {ASKED} "GET /a/b.html?q=%2541&r=1#top HTTP/1.1" 200 512 "https://r.example/" "curl/8.0"',
        f'192.0.2.9, 10.0.0.1 198.51.100.7 - - {ASKED} "GET http://www.example.com:8080/ HTTP/1.0" 404 - "-" "-" 88 99',
        f'2001:db8::7 - - {ASKED} "CONNECT www.example.com:443 HTTP/1.1" 405 0',
        f'198.51.100.7 - - {ASKED} "\\x16\\x03" 400 226', f'198.51.100.7 - - {ASKED} "-" 408 -', "no log at all"),
    "wants": [
        {"_index": "log-web-apache-2025-03", "@timestamp": "2025-03-04T05:06:07+01:00", "source.ip": "198.51.100.7",
         "user.name": "kim", "user.id": "kim", "http.request.method": "GET", "http.version": "1.1",
         "http.response.status_code": 200, "http.response.body.bytes": 512, "user_agent.original": "curl/8.0",
         "http.request.referrer": "https://r.example/", "url.original": "/a/b.html?q=%2541&r=1#top",
         "url.path": "/a/b.html", "url.query": "q=A&r=1", "url.fragment": "top", "url.extension": "html",
         "event.outcome": "success", "event.module": "access", "service.name": "shop", "remotehost": MISSING,
         "cloud.account.id": "123456789012", "cloud.region": "eu-west-1"},
        {"url.domain": "www.example.com", "url.port": 8080, "url.path": "/", "event.outcome": "failure",
         "http.request.header.x_forwarded_for": ["192.0.2.9", "10.0.0.1"], "http.request.bytes": 88,
         "related.ip": ["10.0.0.1", "192.0.2.9", "198.51.100.7"], "http.response.bytes": 99, "user.name": MISSING},
        {"url.domain": "www.example.com", "url.port": 443, "url.path": MISSING, "source.ip": "2001:db8::7"},
        {"url.original": "\\x16\\x03", "http.request.method": MISSING, "event.outcome": "failure"},
        {"url.original": MISSING, "http.response.status_code": 408},
        {"event.kind": "pipeline_error", "@message": "no log at all"}],
}
MADE["apache_error"] = {
    "type": "apache-error",
    "key": SITE.format("apache-error"),
    "body": lines(
        "[Tue Mar 04 05:06:07.123456 2025] [core:error] [pid 77:tid 88] [client 198.51.100.7:51234] AH00126: Invalid "
        "URI in request GET /%, referer: https://r.example/",
        "[Tue Mar 04 05:06:08.000000 2025] [mpm_event:notice] [pid 77:tid 88] AH00489: Apache configured",
        "[Tue Mar 04 05:06:09.000000 2025] [ssl:info] [pid 77] (70014)End of file found: [client 2001:db8::7:51234] "
        "AH01991: SSL input filter read failed."),
    "wants": [
        {"_index": "log-web-apache-2025-03", "@timestamp": "2025-03-04T05:06:07.123456+00:00", "log.level": "error",
         "apache.error.module": "core", "process.pid": 77, "process.thread.id": 88, "source.ip": "198.51.100.7",
         "source.port": 51234, "error.code": "AH00126", "event.type": "error", "event.module": "error",
         "http.request.referrer": "https://r.example/", "client_ip": MISSING,
         "error.message": "Invalid URI in request GET /%, referer: https://r.example/"},
        {"log.level": "notice", "event.type": MISSING, "source.ip": MISSING, "error.code": "AH00489"},
        {"event.type": "info", "apache.error.debug_message": "(70014)End of file found", "error.code": "AH01991"}],
}
MADE["nginx_access"] = {
    "type": "nginx-access",
    "key": SITE.format("nginx-access"),
    "body": lines(
        f'198.51.100.7 - kim {ASKED} "POST /a?b=c HTTP/2.0" 302 0 "-" "Agent \\x22x" "192.0.2.9"',
        f'198.51.100.7 - - {ASKED} "GET /x HTTP/1.1" 500 170 "https://r.example/" "-"'),
    "wants": [
        {"_index": "log-web-nginx-2025-03", "user.name": "kim", "source.ip": "198.51.100.7", "url.path": "/a",
         "url.query": "b=c", "http.request.method": "POST", "http.version": "2.0", "event.outcome": "success",
         "http.request.header.x_forwarded_for": ["192.0.2.9"], "related.ip": ["192.0.2.9", "198.51.100.7"],
         "service.name": "shop", "event.type": ["access"]},
        {"event.outcome": "failure", "http.request.referrer": "https://r.example/", "related.ip": ["198.51.100.7"],
         "user_agent.original": MISSING}],
}
MADE["nginx_error"] = {
    "type": "nginx-error",
    "key": SITE.format("nginx-error"),
    "body": lines(
        '2025/03/04 05:06:07 [error] 31#32: *5 open() "/srv/x" failed (2: No such file), client: 198.51.100.7, server: '
        'example.com, request: "GET /x.php?a=b HTTP/1.1", host: "www.example.com:8080", referrer: "https://r.example/"',
        "2025/03/04 05:06:08 [notice] 31#31: signal 17 received", "and a line more"),
    "wants": [
        {"_index": "log-web-nginx-2025-03", "@timestamp": "2025-03-04T05:06:07+00:00", "log.level": "error",
         "process.pid": 31, "process.thread.id": 32, "nginx.error.connection_id": 5, "source.ip": "198.51.100.7",
         "related.ip": ["198.51.100.7"], "url.domain": "www.example.com", "url.port": 8080, "url.path": "/x.php",
         "url.extension": "php", "url.query": "a=b", "http.request.method": "GET", "http.version": "1.1",
         "http.request.referrer": "https://r.example/", "event.module": "error"},
        {"source.ip": MISSING, "error.message": "signal 17 received\nand a line more"}],
}

VPN = {"connection-log-type": "connection-reset", "connection-attempt-status": "successful",
       "connection-attempt-failure-reason": "NA", "connection-id": "cvpn-connection-0a",
       "client-vpn-endpoint-id": "cvpn-endpoint-0a", "username": "kim", "device-ip": "198.51.100.7", "port": "51234",
       "client-ip": "10.0.0.9", "common-name": "kim.example", "connection-start-time": "2025-03-04 05:00:00",
       "connection-last-update-time": "2025-03-04 05:06:07", "connection-end-time": "2025-03-04 05:06:00",
       "ingress-bytes": "100", "egress-bytes": "23", "ingress-packets": "0", "egress-packets": "0",
       "connection-duration-seconds": "360"}
MADE["clientvpn"] = {
    "type": "clientvpn",
    "key": f"{ACCOUNT}/ClientVPN/eu-west-1/2025/03/04/x",
    "body": lines(VPN, {"client-ip": "NA", **{k: v for k, v in VPN.items() if k != "client-ip"},
                        "connection-attempt-status": "failed", "connection-end-time": "NA",
                        "connection-attempt-failure-reason": "certificate-revoked",
                        "connection-duration-seconds": "NA", "ingress-bytes": "NA"}),
    "wants": [
        {"_index": "log-aws-clientvpn-2025-03", "@timestamp": "2025-03-04T05:06:07+00:00", "source.ip": "198.51.100.7",
         "source.port": 51234, "user.name": "kim", "related.user": ["kim"], "event.outcome": "success",
         "related.ip": ["10.0.0.9", "198.51.100.7"], "network.bytes": 123, "network.packets": MISSING,
         "event.duration": 360000000000, "error.message": MISSING, "username": MISSING,
         "clientvpn.connection-start-time": "2025-03-04T05:00:00+00:00", "clientvpn.username": "kim"},
        {"event.outcome": "failure", "error.message": "certificate-revoked", "clientvpn.client-ip": MISSING,
         "clientvpn.connection-end-time": MISSING, "event.duration": MISSING, "network.bytes": MISSING,
         "clientvpn.connection-last-update-time": "2025-03-04T05:06:07+00:00"}],
}

MADE["elasticache_redis_slowlog"] = {
    "type": "elasticache-redis-slowlog",
    "key": f"{ACCOUNT}/Redis/slow/x",
    "body": lines({"CacheClusterId": "c1", "CacheNodeId": "0001", "Id": 7, "Timestamp": 1741064767,
                   "Duration (us)": 120, "Command": "keys *", "ClientAddress": "198.51.100.7:51234", "ClientName": ""},
                  {"Id": 8, "Timestamp": 1741064768, "Command": "get a", "ClientAddress": "[2001:db8::7"}),
    "wants": [
        {"_index": "log-aws-elasticache-2025-03", "@timestamp": "2025-03-04T05:06:07+00:00", "source.port": 51234,
         "source.ip": "198.51.100.7", "source.address": "198.51.100.7", "related.ip": ["198.51.100.7"],
         "event.module": "redis-slowlog", "elasticache.Duration_us": 120, "elasticache.Command": "keys *"},
        {"source.ip": MISSING, "source.port": MISSING}],
}

AUDIT = {"audit_cluster_name": "123456789012:logs", "audit_node_name": "n1", "audit_request_layer": "REST",
         "audit_request_remote_address": "198.51.100.7", "@timestamp": "2025-03-04T05:06:07.000+00:00"}
MADE["opensearch_audit"] = {
    "type": "opensearch-audit",
    "key": f"{ACCOUNT}/OpenSearch/Audit/eu-west-1/x",
    "body": lines(
        {**AUDIT, "audit_category": "FAILED_LOGIN", "audit_request_effective_user": "kim",
         "audit_rest_request_method": "GET",
         "audit_rest_request_headers": {"User-Agent": ["curl/8.0"], "Host": ["10.0.0.9"]}},
        {**AUDIT, "audit_category": "INDEX_EVENT", "audit_request_initiating_user": "eve",
         "audit_transport_request_type": "CreateIndexRequest"}, AUDIT),
    "wants": [
        {"_index": "log-aws-opensearch-2025-03", "@timestamp": "2025-03-04T05:06:07+00:00", "event.outcome": "failure",
         "event.category": ["database", "authentication"], "rule.name": "GET", "user.name": "kim",
         "source.ip": "198.51.100.7", "related.user": ["kim"], "related.hosts": ["10.0.0.9"],
         "related.ip": ["10.0.0.9", "198.51.100.7"], "opensearch.audit_node_name": "n1",
         "opensearch.timestamp": "2025-03-04T05:06:07.000+00:00"},
        {"event.outcome": "unknown", "event.category": ["database"], "rule.name": "CreateIndexRequest",
         "user.name": "eve"}, {"rule.name": "ParsingError"}],
}

MADE["workspaces_event"] = {
    "type": "workspaces-event",
    "key": f"{ACCOUNT}/WorkSpaces/Event/x",
    "body": lines({"clientIpAddress": "198.51.100.7", "actionType": "successfulLogin", "workspaceId": "ws-0a",
                   "directoryId": "d-0a", "loginTime": "2025-03-04T05:06:07.123Z", "clientPlatform": "Windows"}),
    "wants": [{"_index": "log-aws-workspaces-2025-03", "@timestamp": "2025-03-04T05:06:07.123000+00:00",
               "host.id": "ws-0a", "related.hosts": ["ws-0a"], "source.ip": "198.51.100.7", "WorkspaceId": "ws-0a",
               "related.ip": ["198.51.100.7"], "event.outcome": "success",
               "event.category": ["authentication", "host"]}],
}
MADE["workspaces_inventory"] = {
    "type": "workspaces-inventory",
    "key": f"{ACCOUNT}/WorkSpaces/Inventory/eu-west-1/workspaces_20250304T050607Z.json.gz",
    "body": lines({"Workspaces": [{"WorkspaceId": "ws-0a", "UserName": "kim", "IpAddress": "10.0.0.9",
                                   "ComputerName": "PC-1", "State": "AVAILABLE"}, {"WorkspaceId": "ws-0b"}]}),
    "wants": [{"_index": "log-aws-workspaces-2025-03", "@timestamp": "2025-03-04T05:06:07+00:00", "host.id": "ws-0a",
               "host.ip": ["10.0.0.9"], "host.name": "PC-1", "host.hostname": "PC-1", "user.name": "kim",
               "related.hosts": ["PC-1", "ws-0a"], "related.user": ["kim"], "event.kind": "state"},
              {"host.id": "ws-0b", "host.ip": MISSING}],
}

ADVICE = {"creation_date": "2025-03-04T05:06:07Z",
          "check": {"id": "c1", "name": "Low use", "metadata": ["Region", "Service", "Resource", "Address"]}}
MADE["trustedadvisor"] = {
    "type": "trustedadvisor",
    "key": f"{ACCOUNT}/TrustedAdvisor/eu-west-1/x.json.gz",
    "body": lines(
        {**ADVICE, "result": {"status": "ok", "flaggedResource": {
            "status": "warning", "region": "eu-central-1", "metadata":
                ["eu-central-1", None, "arn:aws:ec2:eu-central-1:123456789012:instance/i-0a", "198.51.100.7"]}}},
        {**ADVICE, "result": {"status": "ok", "flaggedResource": {
            "metadata": ["eu-west-1", "DynamoDB", "-", "198.51.100.7"]}}},
        {"creation_date": "2025-03-04T05:06:07Z", "check": {"name": "Bare"}, "result": {"status": "error"}}),
    "wants": [
        {"_index": "log-aws-trustedadvisor-2025-03", "@timestamp": "2025-03-04T05:06:07+00:00", "event.kind": "alert",
         "cloud.region": "eu-central-1", "cloud.service.name": "ec2", "cloud.instance.id": "i-0a",
         "related.hosts": ["i-0a"], "related.ip": ["198.51.100.7"], "rule.name": "Low use",
         "event.category": ["configuration"], "trustedadvisor.check.id": "c1"},
        {"event.kind": "event", "cloud.service.name": "dynamodb", "event.category": "database"},
        {"event.kind": "alert", "cloud.service.name": MISSING, "cloud.region": "eu-west-1"}],
}

ITEM = {"awsAccountId": "123456789012", "awsRegion": "eu-west-1", "configurationItemStatus": "OK",
        "configurationItemCaptureTime": "2025-03-04T05:06:07.123Z", "configurationStateId": 1}
MADE["config_history"] = {
    "type": "config-history",
    "key": f"{ACCOUNT}/Config/eu-west-1/2025/3/4/ConfigHistory/123456789012_Config_eu-west-1_ConfigHistory_"
           "AWS::EC2::Instance_20250304T000000Z_20250304T060000Z_1.json.gz",
    "body": lines({"fileVersion": "1.0", "configurationItems": [
        {**ITEM, "resourceType": "AWS::EC2::Instance", "resourceId": "i-0a", "configuration": {
            "state": {"code": 16, "name": "running"}, "iamInstanceProfile": "arn:profile",
            "subnets": ["subnet-1", {"subnetIdentifier": "subnet-2"}],
            "networkInterfaces": [{"privateIpAddresses": [
                {"privateIpAddress": "10.0.0.9", "association": {"publicIp": "198.51.100.7"}}]}]}},
        {**ITEM, "resourceType": "AWS::IAM::Role", "resourceId": "AROA1", "resourceName": "ops",
         "configuration": {"owner": {"id": "o1", "displayName": "d"}, "rules": [{"statement": {"a": "\"b\""}}],
                           "stateReason": "gone", "stateReasonCode": "x", "status": {"code": "c", "message": "m"}}},
        {**ITEM, "resourceType": "AWS::SSM::ManagedInstanceInventory", "resourceId": "i-0b",
         "tags": {"AmazonFSx.FileSystemId": "fs-1"},
         "configuration": {"AWS:Network": {"Content": {"eth0": {"IPV4": "10.0.0.8", "IPV6": "2001:db8::8"}}}},
         "supplementaryConfiguration": {"BucketReplicationConfiguration": {"rules": {"r1": {"status": "on"}}}}},
        {**ITEM, "resourceType": "AWS::Config::ResourceCompliance", "resourceId": "AWS::EC2::Instance/i-0c"}]}),
    "wants": [
        {"_index": "log-aws-config-2025-03", "@timestamp": "2025-03-04T05:06:07.123000+00:00",
         "_id": "746be8426ba797d09af4b22fdba2ff4c_20250304_050607_4981", "event.kind": "state", "event.module": "config-history",
         "cloud.instance.id": "i-0a", "related.hosts": ["i-0a"], "related.ip": ["10.0.0.9", "198.51.100.7"],
         "configuration.state_code": 16, "configuration.state_name": "running", "configuration.state": MISSING,
         "configuration.iamInstanceProfile": {"arn": "arn:profile"},
         "configuration.subnets.subnetIdentifier": ["subnet-1", "subnet-2"]},
        {"user.id": "AROA1", "user.name": "ops", "related.user": ["ops", "AROA1"], "cloud.instance.id": MISSING,
         "configuration.owner": {"displayName": "d"}, "configuration.owner_id": "o1",
         "configuration.stateReason": {"message": "gone", "code": "x"}, "configuration.status": "c",
         "configuration.status_message": "m", "configuration.rules": [{"statement": '{"a":"\\"b\\""}'}]},
        {"cloud.instance.id": "i-0b", "related.ip": ["10.0.0.8", "2001:db8::8"],
         "tags": {"AmazonFSx_FileSystemId": "fs-1"},
         "configuration.AWS:Network.Content": [{"IPV4": "10.0.0.8", "IPV6": "2001:db8::8"}],
         "supplementaryConfiguration.BucketReplicationConfiguration.rules": [{"status": "on"}]},
        {"cloud.instance.id": "i-0c", "user.id": MISSING}],
}
MADE["config_snapshot"] = {
    "type": "config-snapshot",
    "key": f"{ACCOUNT}/Config/eu-west-1/2025/3/4/ConfigSnapshot/123456789012_Config_eu-west-1_ConfigSnapshot_"
           "20250304T050607Z_0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f.json.gz",
    "body": lines({"configSnapshotId": "s", "configurationItems": [
        {**ITEM, "resourceType": "AWS::EC2::EIP", "resourceId": "eipalloc-1", "resourceName": "198.51.100.7",
         "configuration": {"privateIpAddress": "10.0.0.9", "EventPattern": {"source": ["aws.ec2"]}}},
        {**ITEM, "resourceType": "AWS::EC2::NatGateway", "resourceId": "nat-1", "configuration": {
            "natGatewayAddresses": [{"privateIp": "10.0.0.7", "publicIp": "198.51.100.8"}]}}]}),
    "wants": [{"@timestamp": "2025-03-04T05:06:07+00:00", "event.module": "config-snapshot",
               "related.ip": ["10.0.0.9", "198.51.100.7"], "configuration.EventPattern.source": "['aws.ec2']"},
              {"related.ip": ["10.0.0.7", "198.51.100.8"]}],
}
MADE["config_rules"] = {
    "type": "config-rules",
    "key": f"{ACCOUNT}/aws.config/Config_Rules_Compliance_Change/eu-west-1/2025/03/04/x.gz",
    "body": lines({**ITEM, "resourceType": "AWS::IAM::User", "resourceId": "AIDA1", "configRuleName": "mfa",
                   "configRuleARN": "arn:rule", "newEvaluationResult": {"complianceType": "NON_COMPLIANT"},
                   "notificationCreationTime": "2025-03-04T05:06:07.123Z"}),
    "wants": [{"_index": "log-aws-config-2025-03", "event.outcome": "failure", "event.kind": "alert",
               "user.id": "AIDA1", "event.type": ["change"], "_id": "8564c0ed8a07ca60a8ddb2b73d243c4a_20250304_050607_ec65"}],
}

HSM = ["Time: 03/04/25 05:06:07.123456, usecs:1741064767123456", "Sequence No : 0x1f", "Reboot counter : 0x2",
       "Command Type(hex) : CN_MGMT_CMD (0x0)", "Opcode : CN_LOGIN (0xd)", "Session Handle : 0x1004001",
       "Response : 0:HSM Return: SUCCESS", "Log type : MGMT_USER_DETAILS_LOG (2)", "User Name : kim",
       "User Type : CN_CRYPTO_OFFICER (2)"]
HSM_2 = ["Time: 03/04/25 05:06:08.000000, usecs:1741064768000000", "Version No : 1.0", "Sequence No : 0x20",
         "Reboot counter : 0x2", "Opcode : CN_DELETE_USER (0x4)", "Command Type(hex) : CN_MGMT_CMD (0x0)",
         "User id : 3", "Session Handle : 0x1004001", "Response : 5:HSM Error: no such user",
         "Log type : MGMT_USER_DETAILS_LOG (2)", "Target User Name : bob", "Target User Type : CN_CRYPTO_USER (1)",
         "Target User id : 9", "something new : 1"]
MADE["cloudhsm"] = {
    "type": "cloudhsm",
    "key": f"{ACCOUNT}/CloudHSM/eu-west-1/x",
    "body": lines(*HSM, "", *HSM_2),
    "wants": [
        {"_index": "log-aws-cloudhsm-2025-03", "@timestamp": "2025-03-04T05:06:07.123456+00:00",
         "cloudhsm.sequence_no": 31, "cloudhsm.reboot_counter": 2, "cloudhsm.opcode": "CN_LOGIN", "user.name": "kim",
         "user.roles": "CN_CRYPTO_OFFICER", "event.outcome": "success", "cloudhsm.hsm_return": "SUCCESS"},
        {"cloudhsm.opcode": "CN_DELETE_USER", "user.id": "3", "event.outcome": "failure", "user.name": MISSING,
         "user.target.name": "bob", "user.target.roles": "CN_CRYPTO_USER", "user.target.id": "9",
         "cloudhsm.hsm_error": "no such user", "cloudhsm.unknown_field_value": "something new : 1"}],
}

WIN_NS = "http://schemas.microsoft.com/win/2004/08/events/event"
WIN_EVENTS = (
    f"<Event xmlns='{WIN_NS}'><System><Provider Name='Microsoft-Windows-Security-Auditing' Guid='{{5484}}'/><EventID>4625"
    "</EventID><TimeCreated SystemTime='2025-03-04T05:06:07.1234567Z'/><EventRecordID>9</EventRecordID><Channel>Security"
    "</Channel><Computer>dc1.example</Computer><Security/></System><EventData><Data Name='SubjectUserName'>-</Data>"
    "<Data Name='TargetUserName'>kim &amp; &#x65e5;</Data><Data Name='IpAddress'>198.51.100.7</Data><Data Name='IpPort'>"
    "51234</Data><Data Name='AccessList'>%%4416\n\t\t%%4417 </Data></EventData></Event>")
WIN_TWO = (f"<Event xmlns='{WIN_NS}'>\r\n  <System>\r\n    <EventID Qualifiers='16384'>7045</EventID>\r\n    <TimeCreated "
           "SystemTime=\"2025-03-04T05:06:08Z\"/>\r\n  </System>\r\n  <EventData><Data>first</Data><Data/><Data>third"
           "</Data></EventData>\r\n</Event>")
WIN_ONE = (f"<Event xmlns='{WIN_NS}'><System><EventID>1</EventID><TimeCreated SystemTime='2025-03-04T05:06:09Z'/></System>"
           "<EventData><Data>alone</Data></EventData></Event>")
WIN_WANTS = [
    {"@timestamp": "2025-03-04T05:06:07.123456+00:00", "event.code": "4625", "event.action": "logon-failed",
     "event.outcome": "failure", "event.module": "Security", "event.kind": "event", "host.name": "dc1.example",
     "user.name": "kim & \u65e5", "source.ip": "198.51.100.7", "source.port": 51234, "related.ip": ["198.51.100.7"],
     "related.user": ["kim & \u65e5"], "@message": MISSING,
     "Event.EventData.Data": {"TargetUserName": "kim & \u65e5", "IpAddress": "198.51.100.7", "IpPort": "51234",
                              "AccessList": ["%%4416", "%%4417"]},
     "Event.System.Provider.Name": "Microsoft-Windows-Security-Auditing", "Event.System.EventID": "4625"},
    {"event.code": "7045", "event.action": "service-installed", "event.outcome": "success",
     "Event.System.EventID": "7045", "Event.System.Qualifiers": "16384",
     "Event.EventData.Data": {"1": "first", "3": "third"}},
    {"event.code": "1", "event.action": MISSING, "Event.EventData.Data": {"0": "alone"}},
    {"event.kind": "pipeline_error", "error.message": "a tag of the XML closes what is not open"}]
WIN_BAD = f"<Event xmlns='{WIN_NS}'><System></Event>"
for win_type, win_key, win_index in (
        ("windows-event", "EC2/Windows/Event/eu-west-1/x", "log-win-event"),
        ("directory-service", "DirectoryService/MicrosoftAD/x", "log-aws-directory-service"),
        ("fsx-win", "FSx/aws-fsx-x-1-2025-x.gz", "log-aws-fsx-win")):
    MADE[win_type.replace("-", "_")] = {
        "type": win_type, "key": f"{ACCOUNT}/{win_key}", "body": lines(WIN_EVENTS, WIN_TWO, WIN_ONE, WIN_BAD),
        "wants": [{"_index": win_index + "-2025-03", **WIN_WANTS[0]}, *WIN_WANTS[1:]]}

OCSF = {"time": 1741064767123, "cloud": {"account_uid": "210987654321", "region": "eu-west-1"},
        "actor": {"user": {"name": "arn:aws:sts::210987654321:assumed-role/ops/kim", "credential_uid": "ASIA1"}},
        "src_endpoint": {"ip": "198.51.100.7", "port": 51234}, "dst_endpoint": {"ip": "10.0.0.9", "instance_uid": "i-0a"},
        "http_request": {"user_agent": "curl/8.0"}, "unmapped": {"a": True}}
MADE["ocsf_json"] = {
    "type": "ocsf-json",
    "key": f"{ACCOUNT}/ocsf-json/eu-west-1/x.json",
    "body": lines({**OCSF, "category_uid": 4, "category_name": "Network Activity"}, {**OCSF, "category_uid": 3},
                  {**OCSF, "category_uid": 2, "finding": {"created_time": 1741064000000, "modified_time": 1741065000000}},
                  {"time": 1741064767123}),
    "wants": [
        {"_index": "log-ocsf-2025-03", "@log_type": "ocsf"},
        {"_index": "log-ocsf-audit-2025-03", "@log_type": "ocsf-audit-activity"},
        {"_index": "log-ocsf-findings-2025-03", "@log_type": "ocsf-findings", "@timestamp": "2025-03-04T05:10:00+00:00"},
        {"_index": "log-ocsf-network-2025-03", "@log_type": "ocsf-network-activity", "user.name": "kim",
         "@timestamp": "2025-03-04T05:06:07.123000+00:00", "source.ip": "198.51.100.7", "destination.ip": "10.0.0.9",
         "cloud.account.id": "210987654321", "cloud.instance.id": "i-0a", "related.hosts": ["i-0a"],
         "related.ip": ["10.0.0.9", "198.51.100.7"], "user_agent.original": "curl/8.0", "unmapped": "{'a': True}"}],
}
MADE["index_metrics"] = {
    "type": "index-metrics",
    "key": f"{ACCOUNT}/OpenSearch/metrics/eu-west-1/2025/03/04/aos_index_metrics_x.json.gz",
    "body": lines({"@timestamp": "2025-03-04T05:06:07.000Z", "index": "log-x", "docs.count": 5}),
    "wants": [{"_index": "metrics-opensearch-index-2025-03", "index": "log-x",
               "@timestamp": "2025-03-04T05:06:07+00:00"}],
}
MADE["alb_connection"] = {
    "type": "alb-connection",
    "key": f"{ACCOUNT}/elasticloadbalancing/eu-west-1/2025/03/04/conn_log.123456789012_elasticloadbalancing_eu-west-1_"
           "app.lb.50dc6c495c0c9188_20250304T0510Z_192.0.2.1_20sg8hgm.log.gz",
    "body": lines('2025-03-04T05:06:07.123456Z 198.51.100.7 51234 443 TLSv1.3 TLS_AES_128_GCM_SHA256 4.036 '
                  '"CN=kim.example,O=x" NotBefore=2025-01-01T00:00:00Z;NotAfter=2026-01-01T00:00:00Z 0ABC Success TID_1',
                  '2025-03-04T05:06:08.000000Z 198.51.100.8 51235 443 - - - "-" - - Failed:ClientCertUntrusted TID_2 x'),
    "wants": [{"_index": "log-aws-elb-2025-03", "source.ip": "198.51.100.7", "source.port": 51234,
               "destination.port": 443, "tls.version": "TLSv1.3", "tls.client.subject": "CN=kim.example,O=x",
               "event.outcome": "success", "conn_trace_id": "TID_1"},
              {"event.outcome": "failure", "tls.version": MISSING, "tls_keyexchange": "x"}],
}

for eks_type, eks_key, eks_module in (("eks-api", "EKS/api", "kube-apiserver"),
                                      ("eks-scheduler", "EKS/scheduler", "kube_scheduler"),
                                      ("eks-controller-manager", "EKS/controllerManager", "kube-controller-manager")):
    MADE[eks_type.replace("-", "_")] = {
        "type": eks_type, "key": f"{ACCOUNT}/{eks_key}/eu-west-1/x",
        "body": lines("W0304 05:06:07.123456      11 controller.go:615] it broke", "\tand why"),
        "wants": [{"event.module": eks_module, "log.level": "warning", "message": "it broke\n\tand why",
                   "process.thread.id": 11, "log.origin.file.name": "controller.go", "log.origin.file.line": 615,
                   "severity": MISSING}]}
MADE["eks_authenticator"] = {
    "type": "eks-authenticator",
    "key": f"{ACCOUNT}/EKS/authenticator/eu-west-1/x",
    "body": lines('time="2025-03-04T05:06:07Z" level=info msg="access granted" arn="arn:aws:iam::1:role/ops" '
                  'client="198.51.100.7:45934" groups="[system:masters]" method=POST path=/authenticate username=kim',
                  'time="2025-03-04T05:06:08Z" level=warning msg="access denied" client="127.0.0.1:1" error="x \\"y\\""'),
    "wants": [{"_index": "log-aws-eks-2025-03", "event.module": "aws-iam-authenticator", "event.outcome": "success",
               "source.ip": "198.51.100.7", "source.port": 45934, "user.name": "kim", "message": "access granted",
               "user.id": "arn:aws:iam::1:role/ops", "http.request.method": "POST", "groups": "[system:masters]"},
              {"event.outcome": "failure", "log.level": "warning", "user.name": MISSING}],
}


def sent(group, stream, *messages):
    """An object of a subscription of CloudWatch Logs."""
    return json.dumps({"messageType": "DATA_MESSAGE", "owner": "210987654321", "logGroup": group, "logStream": stream,
                       "subscriptionFilters": ["f"], "logEvents": [
                           {"id": str(number), "timestamp": 1741064767123, "message": message}
                           for number, message in enumerate(messages)]})


MADE["cloudhsm_sent"] = {
    "type": "cloudhsm", "key": f"{ACCOUNT}/CloudHSM/eu-west-1/x",
    "body": sent("/aws/cloudhsm/cluster-0a", "hsm-0b", "\n".join(HSM)),
    "wants": [{"_id": "hsm-0b0x1f1741064767123456", "@id": "hsm-0b0x1f1741064767123456", "cloudhsm.hsm_id": "hsm-0b",
               "cloudhsm.cluster_id": "cluster-0a", "cloud.instance.id": "hsm-0b", "user.name": "kim",
               "related.hosts": ["cluster-0a", "hsm-0b"], "cloud.account.id": "210987654321"}],
}
MADE["apache_sent"] = {
    "type": "apache-access", "key": SITE.format("apache-access"),
    "body": sent("/ec2/apache/ssl_access", "web_i-0123456789abcdef0", f'192.0.2.1 - - {ASKED} "GET / HTTP/1.1" 200 5'),
    "wants": [{"url.scheme": "https", "url.path": "/", "cloud.instance.id": "i-0123456789abcdef0",
               "related.hosts": ["i-0123456789abcdef0"], "@log_stream": "web_i-0123456789abcdef0"}],
}
PREAUTH = "Mar  4 05:06:07 web1 sshd[12]: Unable to negotiate with 198.51.100.7 port 45626: no match [preauth] "
MADE["linux_sent"] = {
    "type": "linux-secure", "key": f"{ACCOUNT}/EC2/Linux/Secure/eu-west-1/x",
    "body": sent("/ec2/linux/secure", "i-0123456789abcdef0", PREAUTH + "\r\n"),
    "wants": [{"cloud.instance.id": "i-0123456789abcdef0", "related.hosts": ["web1", "i-0123456789abcdef0"],
               "source.ip": "198.51.100.7", "@id": hashlib.md5((PREAUTH + "0").encode()).hexdigest()}],
}
MADE["windows_sent"] = {
    "type": "windows-event", "key": f"{ACCOUNT}/EC2/Windows/Event/eu-west-1/x",
    "body": sent("/ec2/windows/event", "i-01234567", WIN_EVENTS, WIN_TWO, WIN_BAD),
    "wants": [{**WIN_WANTS[0], "cloud.instance.id": "i-01234567", "related.hosts": ["i-01234567"]},
              WIN_WANTS[1], WIN_WANTS[3]],
}

# ---- samples of a user.ini ----

MADE["okta"] = {
    "type": "okta", "key": "okta-logs/2025/03/04/x.json",
    "body": lines(
        {"uuid": "u-1", "published": "2025-03-04T05:06:07.123Z", "eventType": "user.session.start", "severity": "INFO",
         "actor": {"id": "00u1", "type": "User", "alternateId": "kim@shop.example", "displayName": "Kim K"},
         "client": {"userAgent": {"rawUserAgent": "curl/8.0"}, "ipAddress": "198.51.100.7",
                    "geographicalContext": {"city": "Cork", "state": "Munster", "country": "Ireland",
                                            "geolocation": {"lat": 51.9, "lon": -8.47}}},
         "securityContext": {"asNumber": 64500, "asOrg": "net", "domain": "net.example"},
         "outcome": {"result": "SUCCESS"}},
        {"published": "2025-03-04T05:06:08Z", "eventType": "policy.evaluate", "outcome": {"result": "DENY"},
         "actor": {"id": "0oa1", "type": "PublicClientApp", "alternateId": "x@y", "displayName": "App"}}),
    "wants": [
        {"_index": "log-intra-audit-okta-2025-03", "@timestamp": "2025-03-04T05:06:07.123000+00:00", "event.outcome": "success",
         "event.action": "user.session.start", "user.name": "kim", "user.domain": "shop.example",
         "user.email": "kim@shop.example", "source.ip": "198.51.100.7", "client.ip": "198.51.100.7",
         "client.as.number": 64500, "client.geo.city_name": "Cork", "client.geo.location": {"lat": 51.9, "lon": -8.47},
         "client.user.full_name": "Kim K", "source.user.id": "00u1", "related.user": ["Kim K"],
         "user_agent.original": "curl/8.0", "okta.uuid": "u-1", "okta.outcome.result": "SUCCESS", "log.level": "INFO"},
        {"event.outcome": "failure", "user.name": MISSING, "user.email": MISSING, "related.user": MISSING}],
}
MADE["deepsecurity"] = {
    "type": "deepsecurity", "key": "logs/ds_agent/x.log",
    "body": lines(
        "<13>Mar 4 05:06:07 web-1 CEF:0|Trend Micro|Deep Security Agent|20.0|1002|SQL \\| injection|8|rt=1741064767123 "
        "src=198.51.100.7 spt=4711 dst=10.0.0.9 dpt=443 act=IDS:Reset dvchost=web-1 suser=kim proto=TCP msg=a\\=b c",
        "CEF:0|Trend Micro|Deep Security Agent|20.0|600|Agent started|3|rt=1741064768000 dvc=10.0.0.9",
        "CEF:0|cut off"),
    "wants": [
        {"_index": "log-deepsecurity-2025-03", "@timestamp": "2025-03-04T05:06:07.123000+00:00", "source.ip": "198.51.100.7",
         "source.port": 4711, "destination.ip": "10.0.0.9", "destination.port": 443, "event.action": "IDS:Reset",
         "event.severity": 8, "rule.name": "SQL | injection", "rule.id": "1002", "user.name": "kim", "host.name": "web-1",
         "observer.vendor": "Trend Micro", "related.ip": ["10.0.0.9", "198.51.100.7"], "deepsecurity.msg": "a=b c",
         "deepsecurity.syslog": "<13>Mar 4 05:06:07 web-1"},
        {"source.ip": "10.0.0.9", "rule.name": "Agent started", "destination.ip": MISSING},
        {"event.kind": "pipeline_error", "error.message": "the header of CEF is cut off: seven fields with | behind each "
                                                          "are wanted"}],
}
MADE["apache_ecs"] = {
    "type": "apache-ecs", "key": "firelens/apache/x",
    "body": lines(
        {"log": '192.0.2.1 - kim [04/Mar/2025:05:06:07 +0000] "GET /a?b HTTP/1.1" 200 5', "container_id": "c-1",
         "container_name": "web", "source": "stdout"},
        {"log": "[mpm_event:notice] something else", "container_id": "c-1", "container_name": "web", "source": "stderr"},
        {"log": '192.0.2.2 - - [04/Mar/2025:05:06:08 +0000] "-" 408 -', "container_id": "c-1", "container_name": "web",
         "source": "stdout"}),
    "wants": [
        {"_index": "log-web-apache-2025-03", "@timestamp": "2025-03-04T05:06:07+00:00", "source.ip": "192.0.2.1",
         "url.path": "/a?b", "http.request.method": "GET", "http.response.status_code": 200,
         "http.response.body.bytes": 5, "container.name": "web"},
        {"http.response.status_code": 408, "url.path": MISSING}],
}
MADE["cloudhsm_cwl"] = {
    "type": "cloudhsm-cwl",
    "key": "cloudhsm-cwl/cluster-0abcdefghij/01234567-89ab-cdef-0123-456789abcdef/hsm-0bcdefghijk/000000",
    "body": "2025-03-04T05:06:07.123Z " + lines(*HSM) + "2025-03-04T05:06:08.000Z " + lines(*HSM_2),
    "wants": [
        {"_index": "log-aws-cloudhsm-2025-03", "_id": "hsm-0bcdefghijk0x1f1741064767123456", "user.name": "kim",
         "cloudhsm.cluster_id": "cluster-0abcdefghij", "cloudhsm.hsm_id": "hsm-0bcdefghijk", "event.outcome": "success"},
        {"user.target.name": "bob", "event.outcome": "failure", "cloud.instance.id": "hsm-0bcdefghijk"}],
}
