#include "penstock/csv.h"

#include "test.h"

/* Cells of a text with a bar behind each and a line feed behind the last of a line. */
static void cells_are(const char *text, const char *want, uint32_t lines)
{
    struct pen_csv csv;
    struct pen_buf got;
    struct pen_err err = {0};
    pen_slice cell;
    bool is_last = false;
    pen_csv_init(&csv, pen_slice_str(text), 8);
    pen_buf_init(&got, 256);
    while (csv.left.len > 0 || !is_last) {
        if (pen_csv_cell(&csv, &cell, &is_last, &err) != PEN_OK) {
            assert_int_equal(pen_buf_printf(&got, "%u: %s", csv.line, err.text), PEN_OK);
            break;
        }
        assert_int_equal(pen_buf_add(&got, cell), PEN_OK);
        assert_int_equal(pen_buf_add_byte(&got, is_last ? '\n' : '|'), PEN_OK);
    }
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
    assert_int_equal(csv.line, lines);
    pen_buf_fini(&got);
    pen_csv_fini(&csv);
}

static void cells_of_csv_are_told_apart(void **state)
{
    (void)state;
    cells_are("a,b\nc,d\n", "a|b\nc|d\n", 3);
    cells_are("\xef\xbb\xbf"
              "a\r\n,\r\n",
              "a\n|\n", 3);
    cells_are("a,", "a|\n", 1);
    cells_are("\"x,y\",\"q\"\"q\"\n\"1\n2\"", "x,y|q\"q\n1\n2\n", 3);
    cells_are("no\"quotes, kept \n", "no\"quotes| kept \n", 2);
    cells_are("", "\n", 1);
    cells_are("\"a\"b", "1: text behind a cell in quotes", 1);
    cells_are("a\n\"b", "a\n2: quotes without an end", 2);
    cells_are("\"123456789\"", "1: a cell of more than 8 bytes", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_of_csv_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
