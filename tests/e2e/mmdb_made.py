"""mmdb_made.py - writes small MaxMind databases (format 2.0), for tests."""
import ipaddress
import os
import struct

MARK = b"\xab\xcd\xefMaxMind.com"


def _head(kind, size):
    more = b""
    if size >= 285:
        more, size = struct.pack(">H", size - 285), 30
    elif size >= 29:
        more, size = bytes([size - 29]), 29
    return bytes([kind << 5 | size]) + more if kind < 8 else bytes([size, kind - 7]) + more


def encode(value):
    """Text, unsigned number, float, list or map as the data section has it."""
    if isinstance(value, str):
        text = value.encode()
        return _head(2, len(text)) + text
    if isinstance(value, float):
        return _head(3, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        return _head(6, 4) + struct.pack(">I", value)
    if isinstance(value, bytes):  # a number of so many bytes
        return _head({2: 5, 8: 9}[len(value)], len(value)) + value
    if isinstance(value, list):
        return _head(11, len(value)) + b"".join(map(encode, value))
    return _head(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


def write(path, kind, networks):
    """A database of IPv6 in which IPv4 is ::/96; networks, which do not overlap, are a map to values.
    The finished file is renamed into its place."""
    nodes, data = [[None, None]], b""
    for net, value in networks.items():
        network = ipaddress.ip_network(net)
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[:network.prefixlen]
        bits = "0" * (128 - network.max_prefixlen) + bits
        at = 0
        for bit in map(int, bits[:-1]):
            if nodes[at][bit] is None:
                nodes.append([None, None])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        nodes[at][int(bits[-1])] = ("data", len(data))
        data += encode(value)

    def record(to):
        number = len(nodes) if to is None else len(nodes) + 16 + to[1] if isinstance(to, tuple) else to
        return number.to_bytes(3, "big")

    tree = b"".join(record(left) + record(right) for left, right in nodes)
    meta = {"binary_format_major_version": bytes([0, 2]), "binary_format_minor_version": bytes(2),
            "build_epoch": (1741046400).to_bytes(8, "big"), "database_type": kind, "description": {"en": "made"},
            "ip_version": bytes([0, 6]), "languages": ["en"], "node_count": len(nodes), "record_size": bytes([0, 24])}
    temp = path.with_name(path.name + ".tmp")
    temp.write_bytes(tree + bytes(16) + data + MARK + encode(meta))
    os.rename(temp, path)


def place(code, country, city=None, lon=0.0, lat=0.0):
    value = {"country": {"iso_code": code, "names": {"en": country}}, "location": {"latitude": lat, "longitude": lon}}
    return {**value, "city": {"names": {"en": city}}} if city else value


def system(number, name):
    return {"autonomous_system_number": number, "autonomous_system_organization": name}
