/* signals_help.h - what `penstock signals ... --help` prints.  For cmd_signals.c alone. */
#ifndef PEN_CLI_SIGNALS_HELP_H
#define PEN_CLI_SIGNALS_HELP_H

static const char help[] =
    "penstock signals list [options]        the signals of a replay, worst first\n"
    "penstock signals show [options] ID     one signal explained\n"
    "penstock signals events [options] ID   the events that are stored with it\n"
    "penstock signals triage [options] ID...  state, reason, assignee, note\n"
    "\n"
    "An ID may be its first digits, 4 at least.  --out DIR is the folder of the replay\n"
    "(penstock-out), which may be running.  --json gives NDJSON with RFC 3339 times.\n"
    "penstock signals COMMAND --help tells the options of one.\n";
static const char help_list[] =
    "penstock signals list [options]   the signals of a replay, worst first\n"
    "\n"
    "  --out DIR            the folder of the replay (penstock-out)\n"
    "  --state A,B          open, under_review, archived (all)\n"
    "  --severity A,B       info, low, medium, high, critical (all)\n"
    "  --min-severity A     this severity or worse\n"
    "  --rule TEXT          a rule id, or a part of the rule's name\n"
    "  --account ID         signals that concern this account\n"
    "  --from T, --to T     of first_seen: 2025-01-31, RFC 3339, -7d, now, today\n"
    "  --mode MODE          active (the default), shadow, suppressed, all\n"
    "  --limit N            at most N signals\n"
    "  --sort KEY           severity (worst first), first_seen (oldest first), last_seen,\n"
    "                       events (most first), rule; -KEY the other way round\n"
    "  --json               NDJSON: the columns of signals.db, times in RFC 3339\n";
static const char help_show[] =
    "penstock signals show [options] ID   one signal explained\n"
    "\n"
    "  ID                   32 hex digits, or the first 4 or more\n"
    "  --out DIR            the folder of the replay (penstock-out)\n"
    "  --reads N            objects read at most for events whose text was not kept\n"
    "                       (signal.reads_max); 0: none\n"
    "  --json               one object: the signal with its `events` and its `history`\n";
static const char help_events[] =
    "penstock signals events [options] ID   the events that are stored with a signal\n"
    "\n"
    "  ID                   32 hex digits, or the first 4 or more\n"
    "  --out DIR            the folder of the replay (penstock-out)\n"
    "  --limit N            at most N events\n"
    "  --reads N            objects read at most for events whose text was not kept\n"
    "                       (signal.reads_max); 0: none\n"
    "  --json               NDJSON, the whole record in `event`; else a line an event:\n"
    "                       time, event name, actor, source address, object:record\n"
    "\n"
    "A text that was not kept is read again from the job's sources, with their credentials, and\n"
    "is there when the record is the same still; else `event_reason` tells why it is not.\n";
static const char help_triage[] =
    "penstock signals triage [options] ID...   decide on signals, all or none of them\n"
    "\n"
    "  ID...                32 hex digits each, or the first 4 or more\n"
    "  --out DIR            the folder of the replay (penstock-out)\n"
    "  --state STATE        open, under_review, archived\n"
    "  --reason REASON      with archived: none, false_positive, testing_or_maintenance,\n"
    "                       remediated, investigated_case_opened, true_positive_benign,\n"
    "                       true_positive_malicious, other\n"
    "  --assignee NAME      who looks at it (an empty NAME: nobody)\n"
    "  --note TEXT          goes to the signal's history\n"
    "  --user NAME          who decides (the login name)\n"
    "  --json               NDJSON: the signals as they are now\n"
    "\n"
    "A later run of the same job, also with --fresh, keeps these decisions.\n";

#endif
