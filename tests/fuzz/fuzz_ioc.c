/* Any bytes as a list of indicators: rows that are found again, each by its own text, or a reason.
 */
#include "penstock/json.h"

#include "ioc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FOUND_MAX 256U
#define ROWS_ASKED 256U

static bool is_among(const struct pen_ioc *found, uint32_t count, pen_slice value)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pen_slice_eq(found[i].value, value)) {
            return true;
        }
    }
    return count == FOUND_MAX;
}

/* An address of a network: the first. */
static pen_slice asked_of(const struct ioc_row *row, pen_slice text)
{
    const size_t slash = pen_slice_find(text, PEN_SLICE_LIT("/"));
    return row->is_network != 0 ? pen_slice_sub(text, 0, slash) : text;
}

/* Two ways to write an address, 192.0.2.1 and ::ffff:192.0.2.1, are one indicator. */
static bool is_address(const struct ioc_row *row)
{
    return row->type == PEN_IOC_IPV4 || row->type == PEN_IOC_IPV6;
}

static void ask(const struct pen_iocs *iocs)
{
    static struct pen_ioc found[FOUND_MAX];
    const struct ioc_list *list = iocs->lists[0];
    for (uint32_t i = 0; i < list->row_count && i < ROWS_ASKED; i++) {
        const struct ioc_row *row = ioc_row_at(list, i);
        const pen_slice text = ioc_row_text(list, row);
        const uint32_t count =
            pen_iocs_find(iocs, PEN_IOC_AS_ALL, asked_of(row, text), found, FOUND_MAX);
        PEN_CHECK(count > 0);
        PEN_CHECK(is_address(row) || is_among(found, count, text));
        for (uint32_t k = 0; k < count; k++) {
            PEN_CHECK(found[k].provider.len > 0 && found[k].name.len <= PEN_IOC_WORDS_MAX);
        }
    }
}

static void table_of(struct ioc_list *list)
{
    struct pen_err err = {0};
    struct pen_iocs *iocs = calloc(1, sizeof(*iocs));
    PEN_CHECK(iocs != NULL);
    iocs->users = 1;
    iocs->lists[0] = list;
    iocs->list_count = 1;
    list->users++;
    PEN_CHECK(ioc_index(iocs, &err) == PEN_OK);
    ask(iocs);
    pen_iocs_close(iocs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pen_buf text;
    struct ioc_list list = {.path = (char *)pen_unconst("fuzz"),
                            .name = PEN_SLICE_LIT("fuzz"),
                            .users = 1,
                            .date_ns = INT64_MIN};
    struct ioc_reading *r = calloc(1, sizeof(*r));
    PEN_CHECK(r != NULL);
    r->list = &list;
    r->entries_max = 1 << 16;
    pen_buf_init(&text, size + PEN_JSON_PADDING);
    pen_buf_init(&list.texts, SIZE_MAX);
    pen_buf_init(&list.rows, SIZE_MAX);
    pen_buf_init(&list.details, SIZE_MAX);
    pen_buf_init(&list.problems, SIZE_MAX);
    PEN_CHECK(pen_buf_add(&text, (pen_slice){data, size}) == PEN_OK);
    PEN_CHECK(pen_buf_reserve(&text, PEN_JSON_PADDING) == PEN_OK);
    const pen_status st = ioc_list_read(r, pen_buf_slice(&text));
    PEN_CHECK(st == PEN_OK || (st == PEN_E_USAGE && r->why[0] != '\0'));
    PEN_CHECK(list.rows.len == list.row_count * sizeof(struct ioc_row));
    PEN_CHECK((list.problems.len > 0) == (list.rejected > 0));
    if (st == PEN_OK) {
        table_of(&list);
    }
    pen_buf_fini(&list.texts);
    pen_buf_fini(&list.rows);
    pen_buf_fini(&list.details);
    pen_buf_fini(&list.problems);
    pen_buf_fini(&text);
    free(r);
    return 0;
}
