"""fault_bulk.py - a _bulk request of which a part is rejected: what goes on to the server, and the answer
put together from the server's and the rejections."""
import gzip
import json

REJECTED = {"type": "rejected_execution_exception", "reason": "rejected execution of primary operation"}


def operations(body, is_gzip):
    """[(action, metadata, lines)] of a request's body."""
    lines = (gzip.decompress(body) if is_gzip else body).split(b"\n")
    out, i = [], 0
    while i < len(lines):
        if not lines[i].strip():
            i += 1
            continue
        (action, metadata), = json.loads(lines[i]).items()
        count = 1 if action == "delete" else 2
        out.append((action, metadata, lines[i:i + count]))
        i += count
    return out


class Partial:
    """A request that is cut in two: body goes to the server, answer() tells of both parts.  About half
    is rejected, at least one operation; one at least goes through when there are two."""

    def __init__(self, body, is_gzip, index, rng):
        self.all, self.index = operations(body, is_gzip), index
        count = len(self.all)
        self.rejected = {i for i in range(count) if rng.random() < 0.5}
        if count and not self.rejected:
            self.rejected = {rng.randrange(count)}
        if count > 1 and len(self.rejected) == count:
            self.rejected.remove(rng.randrange(count))
        self.body = b"".join(line + b"\n" for i, (_, _, lines) in enumerate(self.all) if i not in self.rejected
                             for line in lines)

    def answer(self, served):
        """served: the server's answer to body as bytes; empty when nothing was sent."""
        answer = json.loads(served) if served else {"took": 0, "items": []}
        done = iter(answer["items"])
        answer["items"] = [self._rejection(*op[:2]) if i in self.rejected else next(done)
                           for i, op in enumerate(self.all)]
        answer["errors"] = answer.get("errors", False) or bool(self.rejected)
        return json.dumps(answer).encode()

    def _rejection(self, action, metadata):
        return {action: {"_index": metadata.get("_index", self.index), "_id": metadata.get("_id"), "status": 429,
                         "error": REJECTED}}
