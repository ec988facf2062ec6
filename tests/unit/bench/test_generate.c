#include "penstock/bench.h"

#include <stdio.h>
#include <stdlib.h>

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

static struct pen_generate_options small(const char *dir, enum pen_generate_shape shape)
{
    return (struct pen_generate_options){.dir = dir,
                                         .shape = shape,
                                         .seed = 42,
                                         .accounts = 5,
                                         .regions = 3,
                                         .days = 4,
                                         .first_day_ns = 19700 * PEN_NS_PER_DAY,
                                         .plain_bytes = 8 << 20};
}

static int shell(const char *command, const char *a, const char *b)
{
    assert_int_equal(setenv("A", a, 1), 0);
    assert_int_equal(setenv("B", b, 1), 0);
    return system(command);
}

static void same_seed_gives_the_same_bytes(void **unused)
{
    (void)unused;
    char a[] = "/tmp/penstock-generate-XXXXXX";
    char b[] = "/tmp/penstock-generate-XXXXXX";
    assert_non_null(mkdtemp(a));
    assert_non_null(mkdtemp(b));
    struct pen_generate_result ra;
    struct pen_generate_result rb;
    struct pen_generate_options o = small(a, PEN_GENERATE_ORGANISATION);
    assert_int_equal(pen_bench_generate(&o, &ra, NULL), PEN_OK);
    o.dir = b;
    assert_int_equal(pen_bench_generate(&o, &rb, NULL), PEN_OK);
    assert_memory_equal(&ra, &rb, sizeof(ra));
    assert_int_equal(shell("diff -r $A $B", a, b), 0);
    o.seed = 43;
    assert_int_equal(pen_bench_generate(&o, &rb, NULL), PEN_OK);
    assert_int_not_equal(shell("diff -rq $A $B > /dev/null", a, b), 0);
    assert_int_equal(shell("rm -rf $A $B", a, b), 0);
}

static const char check[] =
    "python3 - $A $B <<'END'\n"
    "import gzip, json, pathlib, re, sys\n"
    "root = pathlib.Path(sys.argv[1]); seen = {}; n = size = small = objects = 0\n"
    "for p in sorted(root.rglob('*.json.gz')):\n"
    "    key = str(p.relative_to(root)); m = "
    "re.fullmatch(r'AWSLogs/o-exampleorg1/(\\d{12})/CloudTrail/"
    "([a-z0-9-]+)/(\\d{4})/(\\d\\d)/(\\d\\d)/\\1_CloudTrail_\\2_\\3\\4\\5T\\d{4}Z_[A-Za-z0-9]{16}"
    ".json.gz', key); assert m, key\n"
    "    plain = gzip.decompress(p.read_bytes()); objects += 1; small += p.stat().st_size < 5000\n"
    "    for r in json.loads(plain)['Records']:\n"
    "        assert r['recipientAccountId'] == m[1] and r['awsRegion'] == m[2]\n"
    "        assert sys.argv[2] == 'huge' or r['eventTime'][:10] == '-'.join(m.group(3, 4, 5))\n"
    "        assert r['eventID'] not in seen; seen[r['eventID']] = (r, key); n += 1\n"
    "    size += len(plain)\n"
    "planted = json.loads((root / 'expected.json').read_text())['planted']; assert len(planted) == "
    "11\n"
    "for e in planted:\n"
    "    r, key = seen[e['event_id']]; assert key == e['object'] and r['eventTime'] == e['time']\n"
    "    assert r['eventName'] == e['event_name'] and r['recipientAccountId'] == e['account']\n"
    "print(objects, 'objects', n, 'records', size // n, 'bytes a record', small, 'small')\n"
    "assert 1400 <= size / n <= 1600, size / n\n"
    "assert sys.argv[2] != 'organisation' or 0.4 < small / objects < 0.75\n"
    "END\n";

static void output_parses_and_holds_what_was_planted(void **unused)
{
    (void)unused;
    static const char *const names[] = {"organisation", "tiny", "huge"};
    for (uint32_t shape = 0; shape < PEN_COUNT(names); shape++) {
        char dir[] = "/tmp/penstock-generate-XXXXXX";
        assert_non_null(mkdtemp(dir));
        const struct pen_generate_options o = small(dir, (enum pen_generate_shape)shape);
        struct pen_generate_result r;
        const int64_t from = pen_clock_thread_cpu_ns();
        assert_int_equal(pen_bench_generate(&o, &r, NULL), PEN_OK);
        const int64_t ns = pen_clock_thread_cpu_ns() - from;
        print_message("%s: %llu MB/s, %llu plain, %llu packed\n", names[shape],
                      (unsigned long long)(r.plain_bytes * 1000 / (uint64_t)(ns + 1)),
                      (unsigned long long)r.plain_bytes, (unsigned long long)r.packed_bytes);
        assert_int_equal(r.planted, 11);
        assert_true(r.plain_bytes >= o.plain_bytes);
        assert_true(shape != PEN_GENERATE_HUGE || r.objects == 1);
        assert_int_equal(shell(check, dir, names[shape]), 0);
        assert_int_equal(shell("rm -rf $A", dir, ""), 0);
    }
}

static void option_out_of_range_is_a_usage_error(void **unused)
{
    (void)unused;
    struct pen_generate_result r;
    struct pen_generate_options o = small("/nonexistent", PEN_GENERATE_TINY);
    o.accounts = 0;
    assert_int_equal(pen_bench_generate(&o, &r, NULL), PEN_E_USAGE);
    o = small("/proc/nowhere", PEN_GENERATE_TINY);
    struct pen_err err = {.text = ""};
    assert_int_equal(pen_bench_generate(&o, &r, &err), PEN_E_IO);
    assert_true(err.text[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_the_same_bytes),
        cmocka_unit_test(output_parses_and_holds_what_was_planted),
        cmocka_unit_test(option_out_of_range_is_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
