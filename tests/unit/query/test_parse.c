#include "query_test.h"

#include <stdio.h>

struct fixture {
    struct pen_arena arena;
    struct names names;
    struct pen_buf out;
    struct pen_err err;
    struct pen_query_options options;
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){0};
    pen_arena_init(&f->arena, (size_t)64 << 20);
    pen_buf_init(&f->out, (size_t)16 << 20);
    f->names.arena = &f->arena;
    f->options = (struct pen_query_options){.field = name_id, .field_ctx = &f->names};
}

static void fixture_fini(struct fixture *f)
{
    pen_buf_fini(&f->out);
    pen_arena_fini(&f->arena);
}

/* The query as print_tree shows it; NULL with f->err set when it is refused. */
static const char *parsed(struct fixture *f, pen_slice text)
{
    struct pen_expr *expr = NULL;
    f->out.len = 0;
    if (pen_query_parse(&f->arena, text, &f->options, &expr, &f->err) != PEN_OK) {
        return NULL;
    }
    assert_int_equal(pen_expr_check(expr, &f->err), PEN_OK);
    print_tree(&f->out, &f->names, expr);
    assert_int_equal(pen_buf_add_byte(&f->out, 0), PEN_OK);
    return (const char *)f->out.ptr;
}

struct query_case {
    const char *query, *want;
};

static void check_cases(const struct query_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct fixture f;
        fixture_init(&f);
        const char *got = parsed(&f, pen_slice_str(cases[i].query));
        if (got == NULL) {
            fail_msg("%s: %s", cases[i].query, f.err.text);
        }
        assert_string_equal(got, cases[i].want);
        fixture_fini(&f);
    }
}

static void operators_bind_as_documented(void **state)
{
    (void)state;
    static const struct query_case cases[] = {
        {"", "*"},
        {"  \t\r\n", "*"},
        {"*", "*"},
        {"*:*", "*"},
        {"a", "\"a\""},
        {"a  b", "(\"a\" \"b\")"},
        {"a AND b", "(\"a\" \"b\")"},
        {"a b OR c d", "((\"a\" \"b\") OR (\"c\" \"d\"))"},
        {"a OR b AND c OR d", "(\"a\" OR (\"b\" \"c\") OR \"d\")"},
        {"a (b OR c)", "(\"a\" (\"b\" OR \"c\"))"},
        {"-a b", "(-\"a\" \"b\")"},
        {"- foo bar", "(-\"foo\" \"bar\")"},
        {"NOT a OR b", "(-\"a\" OR \"b\")"},
        {"NOT NOT a", "\"a\""},
        {"NOT -NOT a", "-\"a\""},
        {"-(-a)", "-(-\"a\")"},
        {"--(a b)", "(\"a\" \"b\")"},
        {"-(a b)", "-(\"a\" \"b\")"},
        {"NOT(a)", "-\"a\""},
        {"((a))(b)", "(\"a\" \"b\")"},
        {"(a)AND(b)OR(c)", "((\"a\" \"b\") OR \"c\")"},
        {"a AND -b", "(\"a\" -\"b\")"},
        {"and or not", "(\"and\" \"or\" \"not\")"},
        {"\"AND\" \\OR", "(\"AND\" \"OR\")"},
        {"ANDY NOTE ORE", "(\"ANDY\" \"NOTE\" \"ORE\")"},
        {"\"user login\"", "\"user login\""},
        {"v*c?r", "v*c?r"},
        {"*:word", "\"word\""},
        {"*:(a OR -b*)", "(\"a\" OR -b*)"},
    };
    check_cases(cases, PEN_COUNT(cases));
}

static void fields_and_values_are_read(void **state)
{
    (void)state;
    static const struct query_case cases[] = {
        {"@a.b:c", "@a.b:\"c\""},
        {"@k:*", "@k:*"},
        {"-@k:**", "-@k:*"},
        {"@k:\"*\"", "@k:\"*\""},
        {"-@responseElements.X:\"\"", "-@responseElements.X:\"\""},
        {"@k:(A OR B)", "(@k:\"A\" OR @k:\"B\")"},
        {"@k:(\"a\" AND \"b\")", "(@k:\"a\" @k:\"b\")"},
        {"@k:(a b (c OR -d))", "(@k:\"a\" @k:\"b\" (@k:\"c\" OR -@k:\"d\"))"},
        {"-@k:(a)", "-@k:\"a\""},
        {"@k:(NOT(a) OR >5)", "(-@k:\"a\" OR @k:>5)"},
        {"@k:-5", "@k:\"-5\""},
        {"state:OR state:AND", "(state:\"OR\" state:\"AND\")"},
        {"AND:x", "AND:\"x\""},
        {"tags:\"name\"", "tags:\"name\""},
        {"@k:>5", "@k:>5"},
        {"@k:>=-5.5e3", "@k:>=-5.5e3"},
        {"@k:<5 @k:<=7", "(@k:<5 @k:<=7)"},
        {"@k:>= 5", "@k:>=5"},
        {"@k:[101 TO 299]", "(@k:>=101 @k:<=299)"},
        {"@k:{1 TO 2]", "(@k:>1 @k:<=2)"},
        {"@k:[1 TO 2}", "(@k:>=1 @k:<2)"},
        {"@k:[* TO 4]", "@k:<=4"},
        {"@k:[ 4  TO  * ]", "@k:>=4"},
        {"@k:[* TO *]", "@k:*"},
        {"@k:([1 TO 2] OR 7)", "((@k:>=1 @k:<=2) OR @k:\"7\")"},
        {"CIDR(@ip, 10.0.0.0/8)", "CIDR(@ip, 10.0.0.0/8)"},
        {"CIDR( @ip ,10.0.0.0/8, ::1/128 )",
         "(CIDR(@ip, 10.0.0.0/8) OR CIDR(@ip, 0:0:0:0:0:0:0:1/128))"},
        {"NOT(CIDR(@ip,10.0.0.0/8)) a", "(-CIDR(@ip, 10.0.0.0/8) \"a\")"},
        {"CIDR", "\"CIDR\""},
        {"_exists_:@a-b", "@a\\-b:*"},
        {"-_missing_:@a", "-(-@a:*)"},
        {"@arn:arn:aws:iam::1:root", "@arn:\"arn:aws:iam::1:root\""},
        {"a\\:b", "\"a:b\""},
        {"@a\\ b:c", "@a\\ b:\"c\""},
    };
    check_cases(cases, PEN_COUNT(cases));
}

static void what_real_rules_write_is_read(void **state)
{
    (void)state;
    static const struct query_case cases[] = {
        {"@u:\\APN\\/*", "@u:APN/*"},
        {"@usr.name:system\\:serviceaccount\\:*\\:datadog*",
         "@usr.name:system\\:serviceaccount\\:*\\:datadog*"},
        {"@n:UnauthorizedAccess\\:EC2\\/MetadataDNSRebind",
         "@n:\"UnauthorizedAccess:EC2/MetadataDNSRebind\""},
        {"@n:BitcoinTool.B\\!DNS", "@n:\"BitcoinTool.B!DNS\""},
        {"@n:C&CActivity", "@n:\"C&CActivity\""},
        {"@h:waf*.amazonaws.com", "@h:waf*.amazonaws.com"},
        {"@q:*.fit.", "@q:*.fit."},
        {"@k:0x8010000000000000", "@k:\"0x8010000000000000\""},
        {"Days:<90", "Days:<90"},
        {"source:x  @a:b   @c:d", "(source:\"x\" @a:\"b\" @c:\"d\")"},
        {"((-a:x -b:y) (-a:z -b:w))", "((-a:\"x\" -b:\"y\") (-a:\"z\" -b:\"w\"))"},
        {"@k:(\"0.0.0.0/0\" OR \"::/0\")", "(@k:\"0.0.0.0/0\" OR @k:\"::/0\")"},
        {"host:i-*", "host:i\\-*"},
        {"@network.client.ip:cloudformation.amazonaws.com",
         "@network.client.ip:\"cloudformation.amazonaws.com\""},
        {"@userIdentity.session_name:i-*", "@userIdentity.session_name:i\\-*"},
        {"source:cloudtrail @evt.name:(DeleteTrail OR StopLogging) -@userIdentity.invokedBy:*",
         "(source:\"cloudtrail\" (@evt.name:\"DeleteTrail\" OR @evt.name:\"StopLogging\") "
         "-@userIdentity.invokedBy:*)"},
        {"@evt.name:(Put* OR Delete*) @requestParameters.bucketName:prod-?-logs",
         "((@evt.name:Put* OR @evt.name:Delete*) "
         "@requestParameters.bucketName:prod\\-?\\-logs)"},
        {"\"user login\" status:(error OR warn) -host:i-0abc*",
         "(\"user login\" (status:\"error\" OR status:\"warn\") -host:i\\-0abc*)"},
    };
    check_cases(cases, PEN_COUNT(cases));
}

static void case_counts_in_attributes_and_not_in_tags_and_levels(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool is_cased;
    } cases[] = {{"@a:X", true},      {"@level:X", false}, {"@status:X", false},
                 {"status:X", false}, {"source:X", false}, {"team:X", false}};
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        struct fixture f;
        struct pen_expr *expr = NULL;
        fixture_init(&f);
        assert_int_equal(
            pen_query_parse(&f.arena, pen_slice_str(cases[i].query), &f.options, &expr, &f.err),
            PEN_OK);
        assert_int_equal(expr->pred->op, PEN_OP_PATTERN);
        assert_int_equal(expr->pred->is_cased, cases[i].is_cased);
        fixture_fini(&f);
    }
}

static void free_text_of_a_rule_is_the_message(void **state)
{
    (void)state;
    struct fixture f;
    struct pen_expr *expr = NULL;
    fixture_init(&f);
    f.options.as_rule = true;
    assert_int_equal(pen_query_parse(&f.arena, PEN_SLICE_LIT("word"), &f.options, &expr, &f.err),
                     PEN_OK);
    assert_int_equal(expr->pred->op, PEN_OP_WORDS);
    assert_true(pen_slice_eq(f.names.items[expr->pred->field], PEN_SLICE_LIT("message")));
    assert_int_equal(pen_query_parse(&f.arena, PEN_SLICE_LIT("*:word"), &f.options, &expr, &f.err),
                     PEN_OK);
    assert_int_equal(expr->pred->field, PEN_FIELD_ANY);
    fixture_fini(&f);
}

static void nodes_say_what_the_query_says(void **state)
{
    (void)state;
    struct fixture f;
    struct pen_expr *expr = NULL;
    fixture_init(&f);
    const pen_slice text = PEN_SLICE_LIT("-@a:(x OR [1 TO 2]) (b OR c) CIDR(@i,::/0,10.0.0.0/8)");
    assert_int_equal(pen_query_parse(&f.arena, text, &f.options, &expr, &f.err), PEN_OK);
    const struct pen_expr *list = expr->kids[0]->kids[0];
    const struct {
        const struct pen_expr *node;
        const char *want;
    } cases[] = {
        {expr, "-@a:(x OR [1 TO 2]) (b OR c) CIDR(@i,::/0,10.0.0.0/8)"},
        {expr->kids[0], "-@a:(x OR [1 TO 2])"},
        {list, "@a:(x OR [1 TO 2])"},
        {list->kids[0], "@a:x"},
        {list->kids[1], "@a:[1 TO 2]"},
        {list->kids[1]->kids[0], "@a:[1 TO 2]"},
        {expr->kids[1], "(b OR c)"},
        {expr->kids[1]->kids[1], "c"},
        {expr->kids[2], "CIDR(@i,::/0,10.0.0.0/8)"},
        {expr->kids[2]->kids[1], "10.0.0.0/8"},
    };
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        assert_int_equal(cases[i].node->source.len, strlen(cases[i].want));
        assert_memory_equal(cases[i].node->source.ptr, cases[i].want, strlen(cases[i].want));
    }
    fixture_fini(&f);
}

static void mistakes_are_told_with_their_offset(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        uint64_t offset;
        const char *why;
    } cases[] = {
        {"a )", 2, "no `(`"},
        {"a (b (c", 5, "never closed"},
        {"@k:(a", 0, "never closed"},
        {"()", 0, "nothing stands in"},
        {"a OR", 2, "nothing stands behind"},
        {"a (b OR) c", 5, "nothing stands behind"},
        {"a NOT", 2, "nothing stands behind"},
        {"a -", 2, "nothing stands behind"},
        {"OR a", 0, "nothing stands before this OR"},
        {"AND", 0, "nothing stands before this AND"},
        {"a OR AND b", 5, "nothing stands before this AND"},
        {"- OR a", 2, "nothing stands before this OR"},
        {"@k:", 2, "a value is wanted"},
        {"@k: v", 2, "a value is wanted"},
        {"(@k:)", 3, "a value is wanted"},
        {":x", 0, "a field name is wanted"},
        {"@:x", 0, "a field name is wanted"},
        {"@k*:x", 0, "no wildcards"},
        {"@k", 0, "needs a value"},
        {"#x:1", 0, "calculated fields"},
        {"@k:>abc", 4, "a number is wanted"},
        {"@k:>", 3, "a number is wanted"},
        {"@k:[a TO b]", 4, "a number is wanted"},
        {"@k:[\"1\" TO 2]", 4, "a number is wanted"},
        {"@k:[1 2]", 6, "`TO` is wanted"},
        {"@k:[1 TO 2", 3, "never closed"},
        {"@k:[", 3, "never closed"},
        {"[1 TO 2]", 0, "needs a field"},
        {">5", 0, "needs a field"},
        {"*:>5", 2, "needs a field"},
        {"\"abc", 0, "never closed"},
        {"\"\"", 0, "an empty text"},
        {"f(x)", 1, "a `(` inside a word"},
        {"@k:f(x)", 4, "a `(` inside a word"},
        {"!a", 0, "`!` before a word"},
        {"a && b", 2, "`&` before a word"},
        {"a || b", 2, "`|` before a word"},
        {"CIDR(@ip)", 4, "CIDR wants"},
        {"CIDR(@ip, x)", 10, ""},
        {"CIDR(@ip, 10.0.0.1/8)", 10, ""},
        {"CIDR(@ip, 10.0.0.0/8", 4, "CIDR(field"},
        {"CIDR(@ip,,)", 9, "empty"},
        {"CIDR(*, ::/0)", 4, "CIDR wants"},
        {"a\xff"
         "b",
         1, "UTF-8"},
    };
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        struct fixture f;
        fixture_init(&f);
        if (parsed(&f, pen_slice_str(cases[i].query)) != NULL) {
            fail_msg("%s is taken", cases[i].query);
        }
        if (f.err.status != PEN_E_USAGE || f.err.offset != cases[i].offset ||
            strstr(f.err.text, cases[i].why) == NULL) {
            fail_msg("%s: %u at %u: %s", cases[i].query, (unsigned)f.err.status,
                     (unsigned)f.err.offset, f.err.text);
        }
        fixture_fini(&f);
    }
}

static pen_status refuse(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    (void)ctx;
    (void)name;
    *field = 0;
    return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "not this one");
}

static void a_refused_field_is_told_with_its_place(void **state)
{
    (void)state;
    struct fixture f;
    struct pen_expr *expr = NULL;
    fixture_init(&f);
    f.options.field = refuse;
    assert_int_equal(pen_query_parse(&f.arena, PEN_SLICE_LIT("a @k:v"), &f.options, &expr, &f.err),
                     PEN_E_RULE);
    assert_int_equal(f.err.offset, 2);
    fixture_fini(&f);
}

static void limits_hold_and_the_deepest_query_is_a_fit_tree(void **state)
{
    (void)state;
    static char text[PEN_QUERY_BYTES_MAX + 2];
    struct fixture f;
    fixture_init(&f);
    size_t n = 0;
    /* Each level a NOT, an OR and an AND: the deepest tree that text can make. */
    for (uint32_t i = 0; i < PEN_QUERY_DEPTH_MAX - 1; i++) {
        n += (size_t)sprintf(text + n, "a OR b -(");
    }
    n += (size_t)sprintf(text + n, "a OR b -@k:[1 TO 2]");
    for (uint32_t i = 0; i < PEN_QUERY_DEPTH_MAX - 1; i++) {
        text[n++] = ')';
    }
    assert_non_null(parsed(&f, (pen_slice){(const uint8_t *)text, n}));
    memset(text, '(', PEN_QUERY_DEPTH_MAX);
    assert_null(parsed(&f, (pen_slice){(const uint8_t *)text, PEN_QUERY_DEPTH_MAX}));
    assert_int_equal(f.err.status, PEN_E_LIMIT);
    memset(text, 'a', sizeof(text));
    assert_null(parsed(&f, (pen_slice){(const uint8_t *)text, PEN_QUERY_BYTES_MAX + 1}));
    assert_int_equal(f.err.status, PEN_E_LIMIT);
    assert_non_null(parsed(&f, (pen_slice){(const uint8_t *)text, PEN_QUERY_BYTES_MAX}));
    memset(text, '-', PEN_QUERY_BYTES_MAX);
    text[PEN_QUERY_BYTES_MAX - 1] = 'a';
    assert_string_equal(parsed(&f, (pen_slice){(const uint8_t *)text, PEN_QUERY_BYTES_MAX}),
                        "-\"a\"");
    fixture_fini(&f);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static void what_a_tree_prints_parses_to_the_same_tree(void **state)
{
    (void)state;
    static const char *const tokens[] = {" ",           " ",
                                         " AND ",       " OR ",
                                         " NOT ",       " -",
                                         "(",           ")",
                                         "a",           "B*",
                                         "?c",          "\\*",
                                         "\"d e\"",     "@k:v",
                                         "@k:*",        "tag:x",
                                         "@n:>5",       "@k:(",
                                         "\\\\",        ":",
                                         "-",           "@m:\"\"",
                                         "*:w",         "\\(x\\)",
                                         "@p:[1 TO *]", "CIDR(@i, ::/0)",
                                         "\xc3\xa9",    "*"};
    uint64_t random = 20240131;
    uint32_t taken = 0;
    printf("seed %llu\n", (unsigned long long)random);
    for (uint32_t round = 0; round < 40000; round++) {
        struct fixture f;
        char text[512] = "";
        fixture_init(&f);
        const uint32_t length = 1 + (uint32_t)(next_random(&random) % 9);
        for (uint32_t i = 0; i < length; i++) {
            strcat(text, tokens[next_random(&random) % PEN_COUNT(tokens)]);
        }
        const char *got = parsed(&f, pen_slice_str(text));
        if (got != NULL) {
            char first[4096];
            assert_true(strlen(got) < sizeof(first));
            strcpy(first, got);
            got = parsed(&f, pen_slice_str(first));
            if (got == NULL) {
                fail_msg("%s printed %s: %s", text, first, f.err.text);
            }
            assert_string_equal(got, first);
            taken++;
        }
        fixture_fini(&f);
    }
    assert_true(taken > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_bind_as_documented),
        cmocka_unit_test(fields_and_values_are_read),
        cmocka_unit_test(what_real_rules_write_is_read),
        cmocka_unit_test(case_counts_in_attributes_and_not_in_tags_and_levels),
        cmocka_unit_test(free_text_of_a_rule_is_the_message),
        cmocka_unit_test(nodes_say_what_the_query_says),
        cmocka_unit_test(mistakes_are_told_with_their_offset),
        cmocka_unit_test(a_refused_field_is_told_with_its_place),
        cmocka_unit_test(limits_hold_and_the_deepest_query_is_a_fit_tree),
        cmocka_unit_test(what_a_tree_prints_parses_to_the_same_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
