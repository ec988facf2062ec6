/* search_ioc.h - which values of a record are threat indicators. */
#ifndef PEN_CLI_SEARCH_IOC_H
#define PEN_CLI_SEARCH_IOC_H

#include "cli.h"

#define SEARCH_HITS_MAX 256U        /* of a record: the most that search.indicators_max may be */
#define SEARCH_PATH_MAX 1024U       /* bytes of the path of a value; longer ones are cut */
#define SEARCH_LINE_FIELD "message" /* of a line that no type could take apart */

struct search_hit {
    struct pen_ioc ioc;
    size_t path_at, path_len; /* in search_hits.paths: the inside of a JSON string */
};
struct search_hits { /* of one record */
    struct search_hit items[SEARCH_HITS_MAX];
    uint32_t count, max;
    bool is_cut; /* the record has more than max */
    struct pen_buf paths;
    struct pen_buf json;  /* of a record that is a line: its columns */
    struct pen_buf plain; /* a value without escapes */
};
/* max: hits that a record tells, at most SEARCH_HITS_MAX. */
void search_hits_init(struct search_hits *hits, uint32_t max);
void search_hits_fini(struct search_hits *hits);
/*
 * search_hits_find - looks every text of the record up, however deep it lies; of a line that could
 * not be taken apart each word.
 *
 * hits     of this record alone, and as long as it lives; is_cut when those beyond max are left out
 * Returns  PEN_OK | PEN_E_NOMEM | PEN_E_LIMIT
 * Cost     a walk over the tokens of the record and a look-up for each text, whatever the lists
 */
PEN_MUST_USE pen_status search_hits_find(struct search_hits *hits, const struct pen_iocs *iocs,
                                         const struct pen_record *record);
/* Appends ,"ioc":[{"indicator","type","field","list","provider","name"},...], and ,"ioc_cut":true
 * when there are more. */
PEN_MUST_USE pen_status search_hits_json(const struct search_hits *hits, struct pen_buf *out);
/* Appends the indicators with commas between them. */
PEN_MUST_USE pen_status search_hits_text(const struct search_hits *hits, struct pen_buf *out);

#endif
