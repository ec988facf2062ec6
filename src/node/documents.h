/* documents.h - document files without the documents of some objects. */
#ifndef PEN_NODE_DOCUMENTS_H
#define PEN_NODE_DOCUMENTS_H

#include "job.h"
#include "taken.h"

struct swapped_file {
    char before[192], after[192]; /* names in DIR/documents */
    uint64_t bytes;               /* of after */
};
struct swapped_files {
    struct swapped_file *items;
    uint32_t count, cap;
};
/*
 * documents_without - writes, for every committed file that holds a document of the set, another
 * without it, and syncs them.
 *
 * Frames that hold none are copied as they are.  New files are numbered from job->first_sequence
 * on; the old ones stay, and until a commit names the new ones nothing has happened: opening the
 * job removes them.
 * swapped  its items are malloc'd, also after an error; the caller frees them
 * Returns  PEN_OK | PEN_E_NOSPACE | PEN_E_IO | PEN_E_CORRUPT | PEN_E_NOMEM | PEN_E_STOPPED (the run
 *          was interrupted)
 * Cost     inflates all documents of the job
 */
PEN_MUST_USE pen_status documents_without(struct job *job, struct taken_set *set, int32_t level,
                                          struct swapped_files *swapped, struct pen_err *err);

#endif
