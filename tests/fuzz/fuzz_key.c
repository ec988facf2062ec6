/* Any key: never a crash, and what is found lies inside the key. */
#include "penstock/classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(pen_slice key, pen_slice part)
{
    PEN_CHECK(part.len == 0 || (part.ptr >= key.ptr && part.ptr + part.len <= key.ptr + key.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pen_types *types = NULL;
    struct pen_classifier *classifier = NULL;
    struct pen_err err;
    struct pen_key_info info;
    const pen_slice key = {data, size};
    PEN_CHECK(pen_types_load(NULL, &types, &err) == PEN_OK);
    PEN_CHECK(pen_classifier_new(types, &classifier, &err) == PEN_OK);
    pen_classify_key(classifier, key, &info);
    PEN_CHECK(info.type != NULL);
    inside(key, info.account);
    inside(key, info.region);
    inside(key, info.organization);
    pen_classifier_free(classifier);
    pen_types_free(types);
    return 0;
}
