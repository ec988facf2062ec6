/*
 * The visit of simdjson on-demand, which is bound to the instruction set it is compiled for.  Built
 * as one module for each and loaded at run time: in the program itself the linker could take an
 * inline function of this copy for one that has to run everywhere.
 */
/* tested by tests/e2e/test_bench.py */
#include "bare.h"

#include <new>
#include <simdjson.h>

extern "C" __attribute__((visibility("default"))) void *bare_json_parser_new(void);
extern "C" __attribute__((visibility("default"))) void bare_json_parser_free(void *parser);
extern "C" __attribute__((visibility("default"))) uint64_t bare_json_parser_visit(
    void *parser, const uint8_t *text, size_t len);

void *bare_json_parser_new(void)
{
    return new (std::nothrow) simdjson::ondemand::parser;
}

void bare_json_parser_free(void *parser)
{
    delete static_cast<simdjson::ondemand::parser *>(parser);
}

namespace
{

using simdjson::ondemand::json_type;

/* The depth is bounded by the library's own limit of 1,024 levels. */
uint64_t visit(simdjson::ondemand::value value)
{
    uint64_t sum = 0;
    switch (value.type()) {
    case json_type::object:
        for (auto field : value.get_object()) {
            sum += std::string_view(field.unescaped_key()).size();
            sum += visit(field.value().value());
        }
        return sum;
    case json_type::array:
        for (auto element : value.get_array()) {
            sum += visit(element.value());
        }
        return sum;
    case json_type::string:
        return std::string_view(value.get_string()).size();
    case json_type::number:
        return static_cast<uint64_t>(double(value.get_double()));
    case json_type::boolean:
        return bool(value.get_bool()) ? 1 : 2;
    case json_type::null:
        return value.is_null() ? 3 : 0;
    }
    return 0;
}

} // namespace

uint64_t bare_json_parser_visit(void *parser, const uint8_t *text, size_t len)
{
    try {
        simdjson::ondemand::document document =
            static_cast<simdjson::ondemand::parser *>(parser)->iterate(
                reinterpret_cast<const char *>(text), len, len + simdjson::SIMDJSON_PADDING);
        uint64_t sum = 1;
        simdjson::ondemand::object object = document.get_object();
        for (auto field : object) {
            sum += std::string_view(field.unescaped_key()).size();
            sum += visit(field.value().value());
        }
        return sum;
    } catch (const simdjson::simdjson_error &) {
        return 0;
    }
}
