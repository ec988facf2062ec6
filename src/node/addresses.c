/* tested by tests/e2e/test_s3_plan.py */
#include "bucket_share.h"
#include "control.h"

#include <stdio.h>
#include <stdlib.h>

#define NODES_FROM PEN_FETCH_SOURCES_MAX /* of the numbers of names: buckets come before */

_Static_assert(NODES_FROM + PEN_POST_NODES_MAX <= PEN_RESOLVER_NAMES_MAX, "each has a number");

static struct message *told(enum message_kind kind, uint32_t bucket, const void *bytes, size_t len)
{
    struct message *message = message_new(kind);
    message->bytes = malloc(len);
    PEN_CHECK(message->bytes != NULL);
    memcpy(message->bytes, bytes, len);
    message->byte_count = len;
    message->bucket = bucket;
    return message;
}

static void tell(struct control *c, uint32_t bucket, const void *bytes, size_t len, uint32_t count)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        struct message *message = told(MSG_ADDRESSES, bucket, bytes, len);
        message->item_count = count;
        (void)edge_send(&c->topology.to_shard[i], c->ring, message);
    }
}

void moved(struct control *c, const struct message *message)
{
    const struct pen_s3_endpoint *to = (const struct pen_s3_endpoint *)(const void *)message->bytes;
    SAY(c, INFO, "\npenstock: %s: a redirect led to %s in region %s; all shards ask there\n",
        bucket_root(c->planner.buckets[message->bucket]), to->authority, to->region);
    for (uint32_t i = 0; i < c->shards; i++) {
        if (i != message->from) {
            (void)edge_send(&c->topology.to_shard[i], c->ring,
                            told(MSG_MOVED, message->bucket, message->bytes, message->byte_count));
        }
    }
}

static void ask(struct control *c, uint32_t name, const char *host, uint16_t port)
{
    struct pen_err err = {0};
    pen_status st = PEN_OK;
    if (c->resolver == NULL) {
        st = pen_resolver_new(&c->resolver, &err);
    }
    st = st == PEN_OK ? pen_resolver_ask(c->resolver, name, host, port, &err) : st;
    if (st != PEN_OK) {
        SAY(c, WARN, "penstock: %s\n", err.text);
    } else if (c->name_asked_ns[name] == 0) {
        c->name_asked_ns[name] = pen_clock_mono_ns();
    }
}

static void ask_all(struct control *c)
{
    char host[BUCKET_HOST_MAX];
    for (uint32_t i = 0; i < c->planner.bucket_count; i++) {
        const uint16_t port = bucket_host(c->planner.buckets[i], host);
        ask(c, i, host, port);
    }
    for (uint32_t i = 0; c->sink != NULL; i++) {
        uint16_t port = 0;
        const char *node = pen_sink_host(c->sink, i, &port);
        if (node == NULL) {
            return;
        }
        ask(c, NODES_FROM + i, node, port);
    }
}

/* ---- names that nobody answers for ---- */

static void name_text(const struct control *c, uint32_t name, char host[BUCKET_HOST_MAX])
{
    uint16_t port = 0;
    if (name < NODES_FROM) {
        (void)bucket_host(c->planner.buckets[name], host);
        return;
    }
    const char *node = pen_sink_host(c->sink, name - NODES_FROM, &port);
    (void)snprintf(host, BUCKET_HOST_MAX, "%s", node == NULL ? "" : node);
}

static void late_say(struct control *c, int64_t now_ns)
{
    char host[BUCKET_HOST_MAX];
    for (uint32_t name = 0; name < PEN_RESOLVER_NAMES_MAX; name++) {
        const int64_t waited_ns = now_ns - c->name_asked_ns[name];
        if (c->name_asked_ns[name] != 0 && !c->name_is_late[name] && waited_ns >= LOOKUP_LATE_NS) {
            c->name_is_late[name] = true;
            name_text(c, name, host);
            SAY(c, WARN,
                "\npenstock: no name server has said for %lld s where %s is; the addresses of "
                "before are used until one does\n",
                (long long)(waited_ns / PEN_NS_PER_S), host);
        }
    }
}

static void answered(struct control *c, uint32_t name)
{
    char host[BUCKET_HOST_MAX];
    if (c->name_is_late[name]) {
        name_text(c, name, host);
        SAY(c, WARN, "\npenstock: a name server has answered after %lld s where %s is\n",
            (long long)((pen_clock_mono_ns() - c->name_asked_ns[name]) / PEN_NS_PER_S), host);
    }
    c->name_is_late[name] = false;
    c->name_asked_ns[name] = 0;
}

bool addresses_late(const struct control *c, char *out, size_t size)
{
    char host[BUCKET_HOST_MAX];
    for (uint32_t name = 0; name < PEN_RESOLVER_NAMES_MAX; name++) {
        if (c->name_is_late[name]) {
            name_text(c, name, host);
            const int64_t waited_ns = pen_clock_mono_ns() - c->name_asked_ns[name];
            (void)snprintf(out, size, "%.36s: %lld s", host, (long long)(waited_ns / PEN_NS_PER_S));
            return true;
        }
    }
    return false;
}

/* ---- answers ---- */

static void bucket_take(struct control *c, const struct pen_resolved *got)
{
    struct pen_addresses *known = &c->buckets[got->name].addresses;
    if (got->err.status != PEN_OK) {
        SAY(c, WARN, "penstock: %s: %s; the addresses of before are used\n",
            bucket_root(c->planner.buckets[got->name]), got->err.text);
    } else if (!pen_addresses_equal(known, &got->addresses)) {
        *known = got->addresses;
        tell(c, got->name, known->at, known->count * sizeof(known->at[0]), known->count);
    }
}

static void node_take(struct control *c, const struct pen_resolved *got, bool has_shards)
{
    struct pen_addresses *known = &c->sink_addresses.nodes[got->name - NODES_FROM];
    if (got->err.status != PEN_OK) {
        SAY(c, WARN, "penstock: the opensearch sink: %s; %s\n", got->err.text,
            known->count > 0 ? "the addresses of before are used"
                             : "this node is left out until it has an address");
        return;
    }
    if (pen_addresses_equal(known, &got->addresses)) {
        return;
    }
    *known = got->addresses;
    signal_sink_addresses(c->signal_sink, &c->sink_addresses);
    if (has_shards) {
        tell(c, OF_SINK, &c->sink_addresses, sizeof(c->sink_addresses), 0);
    }
}

void addresses_turn(struct control *c, bool has_shards)
{
    struct pen_resolved got;
    const int64_t now = pen_clock_mono_ns();
    if (now - c->resolved_ns >= c->options->resolve_ns) {
        c->resolved_ns = now;
        ask_all(c);
    }
    late_say(c, now);
    while (c->resolver != NULL && pen_resolver_take(c->resolver, &got)) {
        answered(c, got.name);
        if (got.name >= NODES_FROM) {
            node_take(c, &got, has_shards);
        } else if (has_shards) {
            bucket_take(c, &got);
        }
    }
}
