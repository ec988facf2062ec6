#!/usr/bin/env python3
"""fault_proxy.py - a proxy in front of an HTTP server that does harm, from a seed, and tells what.

    fault_proxy.py --upstream HOST:PORT [--port N] [--seed N] [--rates FAULT=SHARE,...]
                   [--plan FAULT,FAULT,...] [--patience N] [--delay S] [--hold S] --log FILE
    fault_proxy.py --tcp [--cut-max BYTES] ...

Prints "ready PORT" when it listens.  A plan is used up first, one fault a request that it fits ("none"
lets one pass); then each request has the faults of rates by chance.  The chance depends on the seed,
the request (method, target, range) and how often it came, not on the order in which requests of several
connections arrive.  After --patience faults the same request is served without any.  The log has a line
of JSON for each request, written when it has ended.

With --tcp connections pass whatever they speak, TLS for one, and the faults are those of TCP, chosen by
the seed and the number of the connection.
"""
import argparse
import asyncio
import json
import random
import socket
import struct
import sys

from fault_bulk import Partial

HEAD_MAX = 1 << 17  # bytes of a head, either way
PIECE = 1 << 16
DRIP = 7  # bytes at a time of a slow answer

# What is done, to any request.
FAULTS = (
    "delay",             # nothing for --delay seconds, then the answer
    "reset_before",      # the connection is reset when the request is there; the server does not see it
    "reset_in_head",     # reset within the head of the answer
    "reset_after_head",  # reset behind the head
    "reset_in_body",     # reset within the body
    "reset_after_body",  # the whole answer, then a reset instead of the next one
    "truncate",          # the connection is closed within the body as if that were its end
    "garbage",           # random bytes instead of an answer
    "corrupt",           # some bytes within the body are changed
    "slow_down",         # 503 SlowDown as S3 says it; the server does not see the request
    "error_500",         # 500 InternalError, likewise
    "drip",              # the answer, a few bytes at a time
)
# Only to POST .../_bulk.
BULK_FAULTS = (
    "bulk_429",  # the whole request is rejected; the server does not see it
    "bulk_502",  # a gateway's page, likewise
    "bulk_partial",  # some operations are rejected with 429 and not sent on; the others are done
    "bulk_lost",  # the server has done it, but no answer comes for --hold seconds, then a close
)
# With --tcp, after 1 to --cut-max bytes of the server.
TCP_FAULTS = (
    "tcp_reset",  # both sides are reset
    "tcp_close",  # both sides are closed: of TLS, without its own end
)


def error_xml(code, message):
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
            "<RequestId>FAULTPROXY000001</RequestId><HostId>fault-proxy</HostId></Error>").encode()


# Answers of the proxy itself: status line, fields, body.
ANSWERS = {
    "slow_down": ("503 Slow Down", "application/xml", error_xml("SlowDown", "Please reduce your request rate.")),
    "error_500": ("500 Internal Server Error", "application/xml",
                  error_xml("InternalError", "We encountered an internal error. Please try again.")),
    "bulk_429": ("429 Too Many Requests", "application/json", json.dumps(
        {"error": {"type": "rejected_execution_exception", "reason": "rejected execution of coordinating operation"},
         "status": 429}).encode()),
    "bulk_502": ("502 Bad Gateway", "text/html", b"<html><head><title>502 Bad Gateway</title></head></html>\r\n"),
}


class Head:
    """First line and fields of a request or an answer, and the bytes they came in."""

    def __init__(self, raw):
        lines = raw.decode("latin-1").split("\r\n")
        self.raw = raw
        self.first = lines[0].split(" ", 2)
        self.fields = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.fields[name.strip().lower()] = value.strip()

    @property
    def is_chunked(self):
        return "chunked" in self.fields.get("transfer-encoding", "").lower()

    @property
    def length(self):
        """Bytes of the body; None when they are not known from here."""
        text = self.fields.get("content-length")
        return int(text) if text is not None and not self.is_chunked else None


async def read_head(reader):
    """A head, or None when the peer has closed before it."""
    try:
        return Head(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as e:
        if e.partial:
            raise ConnectionError("a head was cut off") from e
        return None


async def pieces(reader, head, is_open_ended):
    """The bytes of the body that follows head, as they are sent."""
    if head.is_chunked:
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            yield line
            if size == 0:
                break
            async for piece in exactly(reader, size + 2):
                yield piece
        while line != b"\r\n":
            line = await reader.readuntil(b"\r\n")
            yield line
    elif head.length is not None:
        async for piece in exactly(reader, head.length):
            yield piece
    elif is_open_ended:
        while piece := await reader.read(PIECE):
            yield piece


async def exactly(reader, size):
    while size > 0:
        piece = await reader.read(min(size, PIECE))
        if not piece:
            raise ConnectionError("a body was cut off")
        size -= len(piece)
        yield piece


class Close(Exception):
    """The connection to the client is to end: with a reset or as if all were well."""

    def __init__(self, is_reset):
        super().__init__()
        self.is_reset = is_reset


class Chooser:
    """Which fault a request gets."""

    def __init__(self, options):
        self.seed, self.rates, self.plan = options.seed, options.rates, list(options.plan)
        self.patience = options.patience
        self.seen, self.done = {}, {}

    def choose(self, request):
        """Fault or None, a generator for its details, and how often the request came before."""
        method, target = request.first[0], request.first[1]
        key = (method, target, request.fields.get("range", ""))
        attempt = self.seen.get(key, 0)
        self.seen[key] = attempt + 1
        rng = random.Random(f"{self.seed} {key} {attempt}")
        is_bulk = method == "POST" and target.split("?")[0].endswith("/_bulk")
        fault = self._by_chance(rng, key, is_bulk)
        for i, planned in enumerate(self.plan):
            if is_bulk or planned not in BULK_FAULTS:
                fault = self.plan.pop(i)
                break
        fault = None if fault == "none" else fault
        if fault:
            self.done[key] = self.done.get(key, 0) + 1
        return fault, rng, attempt

    def choose_stream(self, number):
        """Fault or None of a connection, and a generator for its details."""
        rng = random.Random(f"{self.seed} {number}")
        fault = self._by_chance(rng, None, is_bulk=False)
        fault = self.plan.pop(0) if self.plan else fault
        return None if fault == "none" else fault, rng

    def _by_chance(self, rng, key, is_bulk):
        drawn = rng.random()
        if self.done.get(key, 0) >= self.patience:
            return None
        for fault, share in self.rates.items():
            if fault in BULK_FAULTS and not is_bulk:
                continue
            drawn -= share
            if drawn < 0:
                return fault
        return None


class Client:
    """A connection of a client: requests one after another, each to the server over a connection of its
    own, so that what is done to one side does nothing to the other."""

    def __init__(self, proxy, reader, writer):
        self.proxy, self.options = proxy, proxy.options
        self.reader, self.writer = reader, writer
        # Written means handed to the kernel: what was sent before a reset arrives.
        writer.transport.set_write_buffer_limits(high=0)

    async def serve(self):
        try:
            while request := await read_head(self.reader):
                await self.exchange(request)
        except Close as e:
            if e.is_reset:
                await reset(self.writer)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # a client that went away or speaks no HTTP; what it asked is in the log
        finally:
            self.writer.close()

    async def exchange(self, request):
        fault, rng, attempt = self.proxy.chooser.choose(request)
        entry = {"n": self.proxy.next_number(), "method": request.first[0], "target": request.first[1],
                 "range": request.fields.get("range"), "attempt": attempt, "fault": fault,
                 "forwarded": False, "status": None, "sent": 0}
        try:
            if fault == "reset_before":
                raise Close(is_reset=True)
            if fault == "garbage":
                await self.swallow(request)
                await self.send(entry, rng.randbytes(rng.randrange(1, 200)))
                raise Close(is_reset=False)
            if fault in ANSWERS:
                await self.answer(request, entry, *ANSWERS[fault])
            if fault == "bulk_partial":
                await self.bulk_part(request, entry, rng)
                return
            await self.forward(request, entry, fault, rng)
        except (OSError, EOFError) as e:
            entry["error"] = str(e) or type(e).__name__
            raise
        finally:
            self.proxy.log(entry)

    async def send(self, entry, data, fault=None):
        step = DRIP if fault == "drip" else max(len(data), 1)
        for at in range(0, len(data), step):
            self.writer.write(data[at:at + step])
            await self.writer.drain()
            entry["sent"] += len(data[at:at + step])
            if fault == "drip":
                await asyncio.sleep(DRIP / self.options.drip_rate)

    async def swallow(self, request):
        """The body of a request that is not forwarded; one that waits for 100 is not asked for."""
        if "expect" not in request.fields:
            async for _ in pieces(self.reader, request, False):
                pass

    async def answer(self, request, entry, status, kind, body):
        await self.swallow(request)
        head = (f"HTTP/1.1 {status}\r\nServer: fault-proxy\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\nx-amz-request-id: FAULTPROXY000001\r\nConnection: close\r\n\r\n")
        entry["status"] = int(status.split()[0])
        await self.send(entry, head.encode() + (b"" if request.first[0] == "HEAD" else body))
        raise Close(is_reset=False)

    async def bulk_part(self, request, entry, rng):
        """Not for servers that check a signature of the body: what they get is not what was signed."""
        if "expect" in request.fields:
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = b"".join([piece async for piece in pieces(self.reader, request, False)])
        path = request.first[1].split("?")[0].strip("/").split("/")
        is_gzip = request.fields.get("content-encoding", "").lower() == "gzip"
        partial = Partial(body, is_gzip, path[0] if len(path) > 1 else None, rng)
        entry["rejected"] = len(partial.rejected)
        served = b""
        if partial.body:
            host, port = self.options.upstream
            up_reader, up_writer = await asyncio.open_connection(host, port, limit=HEAD_MAX)
            changed = {"content-length", "content-encoding", "transfer-encoding", "accept-encoding", "connection", "expect"}
            fields = "".join(f"{n}: {v}\r\n" for n, v in request.fields.items() if n not in changed)
            up_writer.write(f"{' '.join(request.first)}\r\n{fields}content-length: {len(partial.body)}\r\n"
                            "connection: close\r\n\r\n".encode("latin-1") + partial.body)
            entry["forwarded"] = True
            answer = await self.final_head(up_reader, entry)
            served = b"".join([piece async for piece in exactly(up_reader, answer.length)])
            up_writer.close()
            if entry["status"] != 200:
                raise ConnectionError(f"the server answered {entry['status']} to a part of a request")
        text = partial.answer(served)
        entry["status"] = 200
        await self.send(entry, (f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                                f"content-length: {len(text)}\r\n\r\n").encode() + text)

    async def forward(self, request, entry, fault, rng):
        host, port = self.options.upstream
        up_reader, up_writer = await asyncio.open_connection(host, port, limit=HEAD_MAX)
        body = asyncio.create_task(self.upload(request, up_writer))
        try:
            entry["forwarded"] = True
            answer = await self.final_head(up_reader, entry)
            is_early = not body.done()  # answered before the request was there as a whole
            await self.deliver(request, answer, up_reader, entry, (fault, rng))
            keep = answer.fields.get("connection", "").lower()
            has_end = answer.length is not None or answer.is_chunked or is_bodiless(request, answer)
            if is_early or not has_end or "close" in keep or (answer.first[0] == "HTTP/1.0" and not keep):
                raise Close(is_reset=False)
        finally:
            body.cancel()
            await asyncio.gather(body, return_exceptions=True)
            up_writer.close()

    async def upload(self, request, up_writer):
        up_writer.write(request.raw)
        async for piece in pieces(self.reader, request, False):
            up_writer.write(piece)
            await up_writer.drain()

    async def final_head(self, up_reader, entry):
        while True:
            answer = await read_head(up_reader)
            if answer is None:
                raise ConnectionError("the server closed the connection without an answer")
            status = int(answer.first[1])
            if status >= 200:
                entry["status"] = status
                return answer
            self.writer.write(answer.raw)
            await self.writer.drain()

    async def deliver(self, request, answer, up_reader, entry, harm):
        """The answer, with what is to be done to it."""
        fault, rng = harm
        has_body = not is_bodiless(request, answer)
        if fault == "bulk_lost":
            async for _ in pieces(up_reader, answer, has_body):
                pass
            await asyncio.sleep(self.options.hold)
            raise Close(is_reset=False)
        if fault == "delay":
            await asyncio.sleep(self.options.delay)
        if fault == "reset_in_head":
            await self.send(entry, answer.raw[:rng.randrange(1, len(answer.raw))])
            raise Close(is_reset=True)
        await self.send(entry, answer.raw, fault)
        if fault == "reset_after_head":
            raise Close(is_reset=True)
        at = cut_of(answer, rng) if has_body else 0
        if fault in ("reset_in_body", "truncate", "corrupt"):
            entry["at"] = at
        sent = 0
        async for piece in pieces(up_reader, answer, True) if has_body else nothing():
            is_here = sent <= at < sent + len(piece)
            if fault in ("reset_in_body", "truncate") and is_here:
                await self.send(entry, piece[:at - sent])
                break
            if fault == "corrupt" and is_here:
                piece = piece[:at - sent] + bytes([piece[at - sent] ^ 0x55]) + piece[at - sent + 1:]
            await self.send(entry, piece, fault)
            sent += len(piece)
        if fault in ("reset_in_body", "reset_after_body"):
            raise Close(is_reset=True)
        if fault == "truncate":
            raise Close(is_reset=False)


class Stream:
    """A connection that passes as it is until it is cut."""

    def __init__(self, proxy, reader, writer):
        self.proxy, self.options = proxy, proxy.options
        self.reader, self.writer = reader, writer
        writer.transport.set_write_buffer_limits(high=0)

    async def serve(self):
        number = self.proxy.next_number()
        fault, rng = self.proxy.chooser.choose_stream(number)
        entry = {"n": number, "fault": fault, "sent": 0}
        if fault:
            entry["at"] = rng.randrange(1, self.options.cut_max + 1)
        up = None
        try:
            up_reader, up = await asyncio.open_connection(*self.options.upstream)
            there = asyncio.create_task(self.copy(self.reader, up))
            await self.back(up_reader, entry)
            there.cancel()
            if entry.get("is_cut") and fault == "tcp_reset":
                await reset(self.writer)
        except OSError as e:
            entry["error"] = str(e)
        finally:
            for writer in filter(None, (up, self.writer)):
                writer.close()
            self.proxy.log(entry)

    @staticmethod
    async def copy(reader, writer):
        try:
            while piece := await reader.read(PIECE):
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
        except (OSError, RuntimeError):
            pass  # the other direction tells

    async def back(self, up_reader, entry):
        while piece := await up_reader.read(PIECE):
            entry["is_cut"] = "at" in entry and entry["sent"] + len(piece) >= entry["at"]
            if entry["is_cut"]:
                piece = piece[:entry["at"] - entry["sent"]]
            self.writer.write(piece)
            await self.writer.drain()
            entry["sent"] += len(piece)
            if entry["is_cut"]:
                return


async def reset(writer):
    await asyncio.sleep(0.02)  # what was sent before is read before
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def nothing():
    for piece in ():
        yield piece


def is_bodiless(request, answer):
    return request.first[0] == "HEAD" or answer.first[1] in ("204", "304")


def cut_of(answer, rng):
    """A place within the body as it is sent: behind its first byte when it has two."""
    if answer.length is None:
        return rng.randrange(1, 5)  # of chunks there are at least five bytes
    return rng.randrange(min(1, answer.length - 1), answer.length) if answer.length > 0 else 0


class Proxy:
    def __init__(self, options):
        self.options = options
        self.chooser = Chooser(options)
        self.number = 0
        self.file = open(options.log, "a", encoding="utf-8", buffering=1)

    def next_number(self):
        self.number += 1
        return self.number

    def log(self, entry):
        self.file.write(json.dumps(entry) + "\n")

    async def accept(self, reader, writer):
        await (Stream if self.options.tcp else Client)(self, reader, writer).serve()

    async def run(self):
        server = await asyncio.start_server(self.accept, "127.0.0.1", self.options.port, limit=HEAD_MAX, backlog=1024)
        print("ready", server.sockets[0].getsockname()[1], flush=True)
        async with server:
            await server.serve_forever()


def fault_name(text):
    known = (*FAULTS, *BULK_FAULTS, *TCP_FAULTS, "none")
    if text not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(known)}")
    return text


def shares(text):
    rates = {}
    for item in filter(None, text.split(",")):
        name, _, share = item.partition("=")
        rates[fault_name(name)] = float(share)
    if sum(rates.values()) > 1 or any(share < 0 for share in rates.values()):
        raise argparse.ArgumentTypeError("the shares add up to more than 1, or one is negative")
    return rates


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=address, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tcp", action="store_true")
    parser.add_argument("--cut-max", type=int, default=20_000, help="bytes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rates", type=shares, default={})
    parser.add_argument("--plan", type=lambda t: [fault_name(f) for f in t.split(",") if f], default=[])
    parser.add_argument("--patience", type=int, default=2)
    parser.add_argument("--delay", type=float, default=0.5)
    parser.add_argument("--hold", type=float, default=5.0)
    parser.add_argument("--drip-rate", type=float, default=2000.0, help="bytes a second")
    options = parser.parse_args()
    if any((fault in TCP_FAULTS) != options.tcp for fault in {*options.rates, *options.plan} - {"none"}):
        parser.error(f"with --tcp the faults are {', '.join(TCP_FAULTS)}, without it the others")
    asyncio.run(Proxy(options).run())


if __name__ == "__main__":
    sys.exit(main())
