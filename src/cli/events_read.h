/*
 * events_read.h - events of a signal whose text was not kept, read again from where they came.
 *
 * A run keeps the texts of few events: rules that count have too many, and large records stay out.
 * When somebody asks, the objects are read once more, by the sources and options of the job:
 * folders, files and buckets.  Nothing is written; a record counts as the event only when its event
 * id and its time are those that the signal has.
 */
#ifndef PEN_CLI_EVENTS_READ_H
#define PEN_CLI_EVENTS_READ_H

#include "penstock/signals.h"

struct events_read_call {
    const char *out_dir;
    const char *id;      /* of the signal, whole */
    uint64_t events_max; /* the first of its events; 0: all */
    bool has_reads_max;
    uint64_t reads_max; /* objects; else signal.reads_max of the job */
};
struct events_read_counts {
    uint64_t events; /* without text */
    uint64_t found, objects;
};
/*
 * events_read - tells signals of each such event its text, or why there is none.
 *
 * Anything that goes wrong with the job or its objects is a reason for the events, no failure.
 * Main thread; the process is in the folder of the job meanwhile.
 * Returns  PEN_OK | what signals failed with
 * Cost     nothing when all texts are there; else an object at a time, each from its beginning to
 *          the last record that is wanted, 60 MiB, for buckets fetch.bytes_in_flight_max more
 */
PEN_MUST_USE pen_status events_read(struct pen_signals *signals,
                                    const struct events_read_call *call,
                                    struct events_read_counts *counts, struct pen_err *err);

#endif
