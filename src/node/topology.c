/* tested by tests/e2e/test_replay.py */
#include "topology.h"

#include "penstock/node.h"

#include "planner.h"

#include <stdlib.h>

struct message *message_new(enum message_kind kind)
{
    struct message *message = calloc(1, sizeof(*message));
    PEN_CHECK(message != NULL);
    message->kind = kind;
    message->from = UINT32_MAX;
    return message;
}

void message_free(struct message *message)
{
    if (message != NULL) {
        free(message->files);
        free(message->origins);
        free(message->excluded);
        free(message->others);
        free(message->bytes);
        free(message);
    }
}

/* True when the consumer got something. */
static bool edge_push(struct edge *edge)
{
    bool sent = false;
    while (edge->head != NULL) {
        struct message *next = edge->head->next; /* the consumer may free it at once */
        if (!pen_mailbox_push(edge->box, edge->head)) {
            break;
        }
        edge->head = next;
        sent = true;
    }
    if (edge->head == NULL) {
        edge->tail = NULL;
    }
    return sent;
}

bool edge_flush(struct edge *edge, struct pen_ring *own)
{
    if (edge_push(edge) && edge->target != NULL) {
        pen_ring_wake(own, edge->target);
    }
    return edge->head == NULL;
}

static void edge_queue(struct edge *edge, struct message *message)
{
    message->next = NULL;
    if (edge->tail == NULL) {
        edge->head = message;
    } else {
        edge->tail->next = message;
    }
    edge->tail = message;
}

bool edge_send(struct edge *edge, struct pen_ring *own, struct message *message)
{
    edge_queue(edge, message);
    return edge_flush(edge, own);
}

bool edge_send_quietly(struct edge *edge, struct message *message)
{
    edge_queue(edge, message);
    (void)edge_push(edge);
    return edge->head == NULL;
}

static pen_status edges_new(struct edge **edges, uint32_t count, uint32_t capacity,
                            struct pen_err *err)
{
    *edges = calloc(count, sizeof(**edges));
    if (*edges == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "topology: out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(pen_mailbox_new(capacity, &(*edges)[i].box, err));
    }
    return PEN_OK;
}

pen_status topology_init(struct topology *topology, uint32_t shards, uint32_t capacity,
                         struct pen_err *err)
{
    *topology = (struct topology){.shards = shards, .capacity = capacity};
    PEN_TRY(edges_new(&topology->to_shard, shards, capacity, err));
    PEN_TRY(edges_new(&topology->to_control, shards, capacity, err));
    return edges_new(&topology->between, shards * shards, capacity, err);
}

/* A message that nobody will take: the object that it handed over ends with it. */
static void message_drop(struct message *message)
{
    if (message->kind == MSG_OBJECT || message->kind == MSG_DONE) {
        object_free(message->object);
    }
    message_free(message);
}

static void edges_free(struct edge *edges, uint32_t count)
{
    for (uint32_t i = 0; edges != NULL && i < count; i++) {
        void *message = NULL;
        while (edges[i].box != NULL && pen_mailbox_pop(edges[i].box, &message)) {
            message_drop(message);
        }
        while (edges[i].head != NULL) {
            struct message *next = edges[i].head->next;
            message_drop(edges[i].head);
            edges[i].head = next;
        }
        pen_mailbox_free(edges[i].box);
    }
    free(edges);
}

void topology_fini(struct topology *topology)
{
    edges_free(topology->to_shard, topology->shards);
    edges_free(topology->to_control, topology->shards);
    edges_free(topology->between, topology->shards * topology->shards);
    *topology = (struct topology){0};
}
