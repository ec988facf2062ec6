/* Any bytes as the reply to a bulk request: verdicts for all of its items whose texts lie in the
 * reply, or a reason why it is none. */
#include "bulk_reply.h"

#include <stdlib.h>

#define REPLY_BYTES 65536U
#define ITEMS_MAX 8U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(pen_slice text, const uint8_t *reply, size_t len)
{
    PEN_CHECK(text.len == 0 || (text.ptr >= reply && text.ptr + text.len <= reply + len));
}

static void items_check(struct bulk_reader *reader, uint8_t *reply, size_t len, uint32_t count)
{
    struct bulk_item items[ITEMS_MAX];
    struct pen_err err = {.status = PEN_OK};
    if (bulk_reply_read(reader, reply, len, items, count, &err) != PEN_OK) {
        PEN_CHECK(err.status != PEN_OK && err.text[0] != '\0');
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        PEN_CHECK(items[i].status >= 100 && items[i].status <= 999);
        PEN_CHECK((items[i].verdict == BULK_DONE) ==
                  (items[i].status >= 200 && items[i].status < 300));
        inside(items[i].type, reply, len);
        inside(items[i].reason, reply, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bulk_reader *reader;
    struct pen_err err;
    pen_slice type;
    pen_slice reason;
    if (size == 0 || size > REPLY_BYTES) {
        return 0;
    }
    if (reader == NULL && bulk_reader_new(REPLY_BYTES, &reader, &err) != PEN_OK) {
        return 0;
    }
    const size_t len = size - 1;
    uint8_t *reply = malloc(len + PEN_JSON_PADDING);
    PEN_CHECK(reply != NULL);
    memcpy(reply, data + 1, len);
    items_check(reader, reply, len, 1 + data[0] % ITEMS_MAX);
    memcpy(reply, data + 1, len);
    bulk_error_read(reader, reply, len, &type, &reason);
    inside(type, reply, len);
    inside(reason, reply, len);
    free(reply);
    return 0;
}
