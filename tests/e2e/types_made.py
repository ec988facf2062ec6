"""types_made.py - made records of log types and what their documents must have."""
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
