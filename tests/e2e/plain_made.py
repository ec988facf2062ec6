"""plain_made.py - made logs of types that are no CloudTrail: plain days with the noise that is everywhere, and attacks.

Plain: machines talk to each other and to the internet, which knocks at every door; people browse, mistype a password
and follow links that are gone; bots look for pages that are nowhere; clusters work; names are looked up in vain.
"""
import calendar
import gzip
import json
import time

HOURS = range(8, 14)
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/135.0", "Mozilla/5.0 (iPhone) Safari/605.1.15")
PAGES = ("/", "/cart", "/search", "/item/1", "/item/2", "/item/3", "/help", "/about", "/static/site.css", "/static/site.js")
PROBES = ("/robots.txt", "/favicon.ico", "/wp-login.php", "/.env", "/admin", "/phpmyadmin", "/old", "/feed", "/xmlrpc.php")
KNOCKED = (22, 23, 80, 445, 3389, 5900, 8080)
WITH_PASSWORDS = "203.0.113.10"


def visitor(chance):
    return f"{chance.choice((81, 93, 151, 185))}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def inner(number):
    return f"10.0.{number // 200}.{number % 200 + 10}"


def second_of(day, hour):
    return calendar.timegm(time.strptime(day, "%Y-%m-%d")) + hour * 3600


def moments(chance, day, count):
    """So many times of a working day, in s."""
    return sorted(second_of(day, chance.choice(HOURS)) + chance.randrange(3600) for _ in range(count))


def stamp(second, form="%Y-%m-%dT%H:%M:%S"):
    return time.strftime(form, time.gmtime(second))


# ---- a line of each type ----

def flow(account, at, source, target, port, action, from_port=49152):
    return f"2 {account} eni-0a1b2c3d {source} {target} {from_port} {port} 6 12 840 {at} {at + 59} {action} OK\n"


def visit(account, at, ip, path, status, agent, method="GET"):
    return (f'https {stamp(at)}.123456Z app/shop/50dc6c495c0c9188 {ip}:41024 10.0.0.1:80 0.000 0.002 0.000 {status} {status} 200 900 '
            f'"{method} https://shop.example:443{path} HTTP/2.0" "{agent}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 '
            f'arn:aws:elasticloadbalancing:eu-west-1:{account}:targetgroup/shop/73e2d6bc24d8a067 "Root=1-{at:08x}-{0:024x}" '
            f'"shop.example" "-" 0 {stamp(at)}.121000Z "forward" "-" "-" "10.0.0.1:80" "{status}" "-" "-"\n')


def edge_visit(_account, at, ip, path, status, agent):
    return "\t".join((stamp(at, "%Y-%m-%d"), stamp(at, "%H:%M:%S"), "FRA50-C1", "900", ip, "GET", "d1.cloudfront.net", path,
                      str(status), "-", agent.replace(" ", "%20"), "-", "-", "Hit", f"W{at}{path}", "shop.example", "https",
                      "200", "0.001", "-", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "Hit", "HTTP/2.0", "-", "-", "51234", "0.001",
                      "Hit", "text/html", "900", "-", "-")) + "\n"


def walled(account, at, ip, path, status, agent, rule="bad-bots"):
    action, rule = ("ALLOW", "Default_Action") if status < 400 else ("BLOCK", rule)
    return json.dumps({"timestamp": at * 1000 + 7, "formatVersion": 1, "terminatingRuleId": rule, "terminatingRuleType": "REGULAR",
                       "webaclId": f"arn:aws:wafv2:eu-west-1:{account}:regional/webacl/shop/a1", "action": action,
                       "httpRequest": {"clientIp": ip, "country": "DE", "headers": [{"name": "User-Agent", "value": agent}],
                                       "uri": path, "args": "", "httpVersion": "HTTP/2.0", "httpMethod": "GET",
                                       "requestId": f"{account}{at}{path}"}}) + "\n"


def asked(account, at, user, verb, resource, name, code, ip="10.0.0.12", **more):
    of = {"resource": resource, "namespace": "shop", "name": name, "apiVersion": "v1", **more}
    return json.dumps({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
                       "auditID": f"{account}-{at}-{user}-{verb}-{resource}-{name}", "stage": "ResponseComplete",
                       "requestURI": f"/api/v1/namespaces/shop/{resource}/{name}", "verb": verb, "user": {"username": user},
                       "sourceIPs": [ip], "userAgent": "kubectl/v1.29.1", "objectRef": of,
                       "responseStatus": {"metadata": {}, "code": code}, "requestReceivedTimestamp": f"{stamp(at)}.000001Z",
                       "stageTimestamp": f"{stamp(at)}.000002Z"}) + "\n"


def lookup(account, at, machine, name, kind="A", code="NOERROR"):
    return json.dumps({"version": "1.100000", "account_id": account, "region": "eu-west-1", "vpc_id": "vpc-0a1b2c3d",
                       "query_timestamp": f"{stamp(at)}Z", "query_name": name, "query_type": kind, "query_class": "IN",
                       "rcode": code, "answers": [], "srcaddr": machine, "srcport": "53124", "transport": "UDP",
                       "srcids": {"instance": "i-0a1b2c3d"}}) + "\n"


def connect(_account, at, machine, is_good):
    return f"{at}000000,orders-1,app,{machine},5,0,{'CONNECT' if is_good else 'FAILED_CONNECT'},orders,,{0 if is_good else 1045}\n"


def authorize(_account, at, machine, is_good):
    head = f"{stamp(at, '%Y-%m-%d %H:%M:%S')} UTC:{machine}(51234):app@orders:[77]:"
    return head + ("LOG:  connection authorized: user=app database=orders\n" if is_good else
                   'FATAL:  password authentication failed for user "app"\n')


def fetched(_account, at, ip, requester, key, status):
    return (f"79a5 ledger [{stamp(at, '%d/%b/%Y:%H:%M:%S')} +0000] {ip} {requester} {at:016X} REST.GET.OBJECT {key} "
            f'"GET /{key} HTTP/1.1" {status} - 601 601 14 13 "-" "aws-sdk-go" - x= SigV4 TLS_AES_128_GCM_SHA256 AuthHeader '
            "ledger.s3.eu-west-1.amazonaws.com TLSv1.3 - -\n")


# ---- plain days ----

def requests(chance, day, count):
    """Time, address, path, status, agent: people, mistyped passwords, bots that probe a few pages."""
    people = [visitor(chance) for _ in range(60)]
    bots = [visitor(chance) for _ in range(10)]
    for at in moments(chance, day, count):
        kind = chance.random()
        if kind < 0.9:
            yield at, chance.choice(people), chance.choice(PAGES), chance.choice((200, 200, 200, 304)), chance.choice(AGENTS)
        elif kind < 0.93:
            yield at, chance.choice(people), "/login", chance.choice((200, 200, 401)), chance.choice(AGENTS)
        else:
            yield at, chance.choice(bots), chance.choice(PROBES), chance.choice((403, 404)), "python-requests/2.32"


def flows(chance, account, day):
    for at in moments(chance, day, 1500):
        kind = chance.random()
        if kind < 0.45:  # to the database, to the internet, and now and then somebody signs in
            yield flow(account, at, inner(chance.randrange(40)), chance.choice((inner(60), visitor(chance))),
                       chance.choice((443, 5432)), "ACCEPT")
        elif kind < 0.46:
            yield flow(account, at, "198.51.100.20", inner(3), 22, "ACCEPT")
        elif kind < 0.9:  # somebody out there tries a port or two
            yield flow(account, at, visitor(chance), inner(chance.randrange(4)), chance.choice(KNOCKED), "REJECT")
        else:  # a machine that asks for what is closed since the last change
            yield flow(account, at, inner(7), inner(50 + chance.randrange(3)), 9100, "REJECT")


def balancer(chance, account, day):
    for at, ip, path, status, agent in requests(chance, day, 900):
        yield visit(account, at, ip, path, status, agent, "POST" if path == "/login" else "GET")


def firewall(chance, account, day):
    for request in requests(chance, day, 700):
        yield walled(account, *request, rule=chance.choice(("bad-bots", "bad-inputs")))


def edge(chance, account, day):
    for request in requests(chance, day, 800):
        yield edge_visit(account, *request)


def cluster(chance, account, day):
    """Controllers, a deployment now and then, people who look, a service account that lacks a right."""
    who = (("system:serviceaccount:kube-system:deployment-controller", "update", "deployments", 200, 30),
           ("system:node:ip-10-0-0-12", "get", "secrets", 200, 25), ("system:kube-scheduler", "create", "pods", 201, 15),
           ("system:serviceaccount:shop:worker", "get", "configmaps", 200, 15), ("ci", "patch", "deployments", 200, 5),
           ("dana", "list", "pods", 200, 5), ("dana", "get", "secrets", 200, 0.2), ("ci", "delete", "deployments", 200, 0.2),
           ("system:serviceaccount:shop:metrics", "list", "nodes", 403, 2))
    for at in moments(chance, day, 900):
        user, verb, resource, code, _ = chance.choices(who, [row[-1] for row in who])[0]
        yield asked(account, at, user, verb, resource, f"{resource[:3]}{chance.randrange(30)}", code)


def resolver(chance, account, day):
    """Names that are there, those that a resolver tries with its search list, a few texts."""
    for at in moments(chance, day, 900):
        machine, kind = inner(chance.randrange(40)), chance.random()
        if kind < 0.7:
            yield lookup(account, at, machine, f"s{chance.randrange(40)}.example.")
        elif kind < 0.98:
            name = chance.choice((f"db{chance.randrange(20)}.eu-west-1.compute.internal.", f"old{chance.randrange(12)}.example."))
            yield lookup(account, at, machine, name, code="NXDOMAIN")
        else:
            yield lookup(account, at, machine, f"{chance.choice(('_dmarc', 'mail'))}.example.", "TXT")


def mysql(chance, account, day):
    for at in moments(chance, day, 300):
        yield connect(account, at, inner(chance.randrange(20)), chance.random() > 0.02)


def postgresql(chance, account, day):
    for at in moments(chance, day, 300):
        yield authorize(account, at, inner(chance.randrange(20)), chance.random() > 0.02)


def bucket(chance, account, day):
    """An application that reads, and links to what is gone."""
    role = f"arn:aws:sts::{account}:assumed-role/app/i-0a1b2c3d"
    for at in moments(chance, day, 400):
        if chance.random() < 0.95:
            yield fetched(account, at, "10.0.0.12", role, f"k{chance.randrange(300)}", 200)
        else:
            yield fetched(account, at, visitor(chance), "-", f"old{chance.randrange(9)}", chance.choice((403, 404)))


EDGE_HEAD = "#Version: 1.0\n#Fields: date time x-edge-location\n"
FLOW_HEAD = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
             "log-status\n")
# Log type: what makes its lines, what stands before them, and the key of a day.
TYPES = {
    "vpcflowlogs": (flows, FLOW_HEAD, "vpcflowlogs/eu-west-1/{p}/{a}_vpcflowlogs_eu-west-1_fl-0a1b_{c}T0800Z_x.log.gz"),
    "alb": (balancer, "", "elasticloadbalancing/eu-west-1/{p}/{a}_elasticloadbalancing_eu-west-1_app.shop.50dc6c495c0c9188"
                          "_{c}T0800Z_10.0.0.1_x.log.gz"),
    "waf": (firewall, "", "WAFLogs/eu-west-1/shop/{p}/08/00/{a}_waflogs_eu-west-1_shop_{c}T0800Z_x.log.gz"),
    "eks-audit": (cluster, "", "EKS/audit/eu-west-1/{p}/x.log.gz"),
    "route53resolver": (resolver, "", "vpcdnsquerylogs/vpc-0a1b2c3d/{p}/{a}_vpcdnsquerylogs_vpc-0a1b2c3d_{c}T0800Z_x.log.gz"),
    "cloudfront-standard": (edge, EDGE_HEAD, "CloudFront/EMADE1234567XY.{d}-08.0a1b2c3d.gz"),
    "s3accesslog": (bucket, "", "S3/{d}-08-00-00-0123456789ABCDEF"),
    "rds-mysql-audit": (mysql, "", "RDS/MySQL/audit/eu-west-1/{d}.gz"),
    "rds-postgresql": (postgresql, "", "RDS/PostgreSQL/postgresql/eu-west-1/{d}.gz"),
}


def put(root, kind, account, day, lines):
    _, head, key = TYPES[kind]
    path = root / "AWSLogs" / account / key.format(a=account, p=day.replace("-", "/"), c=day.replace("-", ""), d=day)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress((head + "".join(lines)).encode(), 1, mtime=0))


def plain(root, chance, accounts, days):
    """An object for each type, account and day; chance is a random.Random."""
    for day in days:
        for account in accounts:
            for kind, (make, _, _) in TYPES.items():
                put(root, kind, account, day, make(chance, account, day))


# ---- attacks ----

def attacks(root, account, day):
    """The same types under attack.  Returns the titles of the rules that must tell of it."""
    at = second_of(day, 9)
    ip, agent = "203.0.113.9", "curl/8.5.0"
    put(root, "vpcflowlogs", account, day,
        [flow(account, at + i, "10.0.0.99", inner(i), 22, "REJECT") for i in range(40)] +
        [flow(account, at + i, "10.0.0.98", "10.0.0.5", 1000 + i, "REJECT") for i in range(60)] +
        [flow(account, at + i, ip, "10.0.0.5", 22, "ACCEPT", 50000 + i) for i in range(40)])
    put(root, "alb", account, day,
        [visit(account, at + i, ip, f"/p{i}", 404, agent) for i in range(120)] +
        [visit(account, at + i, WITH_PASSWORDS, "/login", 401 if i < 120 else 200, agent, "POST") for i in range(121)])
    put(root, "cloudfront-standard", account, day, [edge_visit(account, at + i, ip, f"/p{i}", 403, agent) for i in range(120)])
    put(root, "waf", account, day, [walled(account, at + i, ip, f"/{i}", 403, agent, rule=f"r{i % 4}") for i in range(24)])
    put(root, "eks-audit", account, day,
        [asked(account, at + i, "mallory", "get", "secrets", f"s{i}", 200) for i in range(12)] +
        [asked(account, at + i, "mallory", "create", "pods", f"p{i}", 101, subresource="exec") for i in range(6)] +
        [asked(account, at + i, "mallory", "delete", "deployments", f"d{i}", 200) for i in range(12)] +
        [asked(account, at + i, "trent", "list", f"kind{i}", "", 403) for i in range(20)] +
        [asked(account, at + i, "-", "list", "pods", f"n{i}", 401, ip=ip) for i in range(40)])
    put(root, "route53resolver", account, day,
        [lookup(account, at + i, "10.0.0.99", f"x{i}q.example.", code="NXDOMAIN") for i in range(220)] +
        [lookup(account, at + i, "10.0.0.98", f"t{i}.example.", "TXT") for i in range(160)])
    put(root, "s3accesslog", account, day, [fetched(account, at + i, ip, "-", f"k{i}", 403) for i in range(60)])
    put(root, "rds-mysql-audit", account, day, [connect(account, at + i, "10.0.0.99", i == 25) for i in range(26)])
    put(root, "rds-postgresql", account, day, [authorize(account, at + i, "10.0.0.99", i == 25) for i in range(26)])
    return {"One address guessed names of objects", "Somebody opened a shell in a pod",
            "A machine of the network tried one port of many others", "A machine of the network tried many ports of another",
            "Sign-ins of a machine were tried again and again", "One address looked for many paths behind a load balancer",
            "Sign-ins of a site were tried in bulk, and some may have worked",
            "One address looked for many paths of a distribution", "WAF blocked one address by several rules, and let some through",
            "A Kubernetes user read many secrets", "A Kubernetes user ran commands in many pods",
            "A Kubernetes user deleted many things", "A Kubernetes user was refused many different things",
            "One address tried credentials at a Kubernetes API", "A machine asked for very many names that do not exist",
            "A machine asked for very many different texts by DNS",
            "Passwords of a MySQL database were guessed, and one may have worked",
            "Passwords of a PostgreSQL database were guessed, and one may have worked"}
