/* search_help.h - what `penstock search --help` prints.  For cmd_search.c alone. */
#ifndef PEN_CLI_SEARCH_HELP_H
#define PEN_CLI_SEARCH_HELP_H

static const char help[] =
    "penstock search [options] QUERY SOURCE...   prints the records that match\n"
    "\n"
    "  QUERY   Datadog log search: words and \"phrases\" (any value of the record, any case),\n"
    "          @field:value  @field:(a OR b)  @field:pre*  @field:*  -@field:x  @n:>5  @n:[1 TO "
    "5]\n"
    "          CIDR(@sourceIPAddress, 10.0.0.0/8)  AND OR NOT ( ); fields: as in the record\n"
    "          (@userIdentity.arn), Datadog's (@evt.name), ECS (@event.action), or reserved ones\n"
    "  SOURCE  a file, a folder, - (one object on standard input), or s3://bucket[/prefix]\n"
    "  -q QUERY             the query, also one that begins with - (or put it behind --)\n"
    "  --ioc FILE           records with an indicator (IoC) of FILE in them; a query by -q only\n"
    "  --count, --limit N   only how many records match;  end after N records\n"
    "  --by A,B --every 1h  counts each group, in each span, with first and last seen;\n"
    "  --distinct F --top N   and the different values of F; only the N largest (of a span)\n"
    "  --fields a,b         the values as TSV; also _penstock.object, record, event_time ...\n"
    "  --raw                the bytes of the record as they are; --json: the default, NDJSON\n"
    "  --to-rule FORM       threshold, new_value or sigma: writes a rule with a test to --out DIR\n"
    "                       (.) and tells how often it would have fired; --group-by A,B --value F\n"
    "  --sort time          by event time, held in memory;  --as-rule: words ask `message` alone\n"
    "  --as TYPE            every object is of it; `json`: any JSON;  --types-dir DIR: type files\n"
    "  --from T, --to T     event time: 2025-01-31, RFC 3339, -7d, now, today;  --on DAY\n"
    "  --accounts A,B --regions R,S --types T   only these (@FILE: from a file); --not-...: none\n"
    "  --shards N           threads (one a core);  --set KEY=VALUE, S3 options as replay has them\n"
    "  --strict             damaged and unknown objects count as gaps;  --allow-gaps\n"
    "\n"
    "Exit: 0 match, 1 none, 2 usage, 7 something could not be read.\n";

#endif
