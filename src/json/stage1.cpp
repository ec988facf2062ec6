/* tested by tests/unit/json/test_walk.c */
#include "stage1.h"

#include <cstdio>
#include <memory>
#include <new>
#include <simdjson.h>

/* What is relied on below was read in 3.0 and is pinned by a test: another version is to be read.
 */
static_assert(simdjson::SIMDJSON_VERSION_MAJOR == 3 && simdjson::SIMDJSON_VERSION_MINOR == 0,
              "read stage 1 again");

struct stage1 {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

struct stage1 *stage1_new(size_t capacity)
{
    auto *made = new (std::nothrow) struct stage1;
    if (made == nullptr) {
        return nullptr;
    }
    const simdjson::implementation *best = simdjson::get_active_implementation();
    if (best->create_dom_parser_implementation(capacity, 16, made->parser) != simdjson::SUCCESS) {
        delete made;
        return nullptr;
    }
    return made;
}

void stage1_free(struct stage1 *stage1)
{
    delete stage1;
}

void stage1_version(char *out, size_t cap)
{
    (void)snprintf(out, cap, "%d.%d.%d (%s)", simdjson::SIMDJSON_VERSION_MAJOR,
                   simdjson::SIMDJSON_VERSION_MINOR, simdjson::SIMDJSON_VERSION_REVISION,
                   simdjson::get_active_implementation()->name().c_str());
}

/*
 * Whether the streaming mode would take the last bytes for the beginning of a character and leave
 * them out.  The walker leaves real beginnings out itself; what is left then is damage.
 */
static bool is_trimmed(const uint8_t *text, size_t len)
{
    return text[len - 1] >= 0xc0 || (len >= 2 && text[len - 2] >= 0xe0) ||
           (len >= 3 && text[len - 3] >= 0xf0);
}

/*
 * streaming_partial tolerates an unclosed string and then trims n_structural_indexes to what it
 * takes for the last whole document.  The array itself stays whole and is ended by the length of
 * the text, so the count and the codes that speak of it (CAPACITY, EMPTY) are not looked at.
 */
const uint32_t *stage1_run(struct stage1 *stage1, const uint8_t *text, size_t len)
{
    stage1->parser->structural_indexes[0] = static_cast<uint32_t>(len);
    if (len == 0) {
        return stage1->parser->structural_indexes.get();
    }
    if (is_trimmed(text, len)) {
        return nullptr;
    }
    const simdjson::error_code code =
        stage1->parser->stage1(text, len, simdjson::stage1_mode::streaming_partial);
    if (code != simdjson::SUCCESS && code != simdjson::CAPACITY && code != simdjson::EMPTY) {
        return nullptr;
    }
    /* CAPACITY and EMPTY are returned before stage 1 looks at what its UTF-8 checker found. */
    if (code != simdjson::SUCCESS &&
        !simdjson::validate_utf8(reinterpret_cast<const char *>(text), len)) {
        return nullptr;
    }
    return stage1->parser->structural_indexes.get();
}
