/* test.h - cmocka with the headers that it wants before it. */
#ifndef PEN_TEST_H
#define PEN_TEST_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#endif
