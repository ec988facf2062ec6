/* Any key: never a crash, and what is found lies inside the key. */
#include "penstock/classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(pen_slice key, pen_slice part)
{
    PEN_CHECK(part.len == 0 || (part.ptr >= key.ptr && part.ptr + part.len <= key.ptr + key.len));
}

/* Made once: loading the types costs a thousand times what a key does. */
static struct pen_classifier *classifier_once(void)
{
    static struct pen_classifier *classifier = NULL;
    if (classifier == NULL) {
        struct pen_types *types = NULL;
        struct pen_err err;
        PEN_CHECK(pen_types_load(NULL, &types, &err) == PEN_OK);
        PEN_CHECK(pen_classifier_new(types, &classifier, &err) == PEN_OK);
    }
    return classifier;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pen_key_info info;
    struct pen_key_info again;
    const pen_slice key = {data, size};
    pen_classify_key(classifier_once(), key, &info);
    PEN_CHECK(info.type != NULL);
    inside(key, info.account);
    inside(key, info.region);
    inside(key, info.organization);
    pen_classify_key(classifier_once(), key, &again);
    PEN_CHECK(again.type == info.type && pen_slice_eq(again.account, info.account));
    return 0;
}
