/* blocks.h - private to src/state: a file of a head and blocks, each with its checksum; zstd, or
 * of runs also stored as they are. */
#ifndef STATE_BLOCKS_H
#define STATE_BLOCKS_H

#include "penstock/base.h"

#define STATE_BLOCK_BYTES (64U << 10) /* plain bytes after which a block is sealed */
#define STATE_BLOCK_MAX (24U << 20)   /* plain bytes of a block: one observation of any size */

struct block_head {
    uint32_t count; /* of what the block holds, at least 1 */
    uint32_t plain_bytes;
    uint32_t packed_bytes;
    uint32_t is_stored; /* 1: not packed, as of runs; else 0 */
    uint64_t checksum;  /* of the packed bytes; the seed is count */
};

struct block_writer {
    int fd;
    struct pen_buf plain, packed; /* plain: what the next block will hold, */
    uint32_t count;               /* and how many that is */
    void *zstd;                   /* ZSTD_CCtx */
    uint64_t bytes;               /* of the file so far */
};
PEN_MUST_USE pen_status block_writer_init(struct block_writer *w);
void block_writer_fini(struct block_writer *w);
/* Starts a file at the beginning of fd, which stays the caller's: zeros in place of the head, so
 * that a file that was not finished has no magic. */
PEN_MUST_USE pen_status block_writer_start(struct block_writer *w, int fd, size_t head_bytes,
                                           struct pen_err *err);
/* One more thing is in plain: seals the block when it is large enough. */
PEN_MUST_USE pen_status block_writer_added(struct block_writer *w, struct pen_err *err);
/* Last block and the head.  Does not sync. */
PEN_MUST_USE pen_status block_writer_end(struct block_writer *w, pen_slice head,
                                         struct pen_err *err);

struct block_reader {
    char name[64];   /* for messages: "run run-1-0.zst"; longer ones are cut */
    int fd;          /* -1 until opened; closed by fini */
    uint64_t size;   /* of the file */
    uint64_t offset; /* of what is read next */
    uint32_t left;   /* of the block, not yet taken out of rest */
    struct pen_buf packed, plain;
    pen_slice rest; /* of plain */
};
/* what and name are told by every error. */
void block_reader_init(struct block_reader *r, const char *what, const char *name);
void block_reader_fini(struct block_reader *r);
/* PEN_E_NOT_FOUND | PEN_E_IO.  The file is name in dir. */
PEN_MUST_USE pen_status block_reader_open(struct block_reader *r, const char *dir, const char *name,
                                          struct pen_err *err);
/* The next bytes of the file as they are. */
PEN_MUST_USE pen_status block_reader_bytes(struct block_reader *r, void *to, size_t bytes,
                                           struct pen_err *err);
/* The next block with its checksum, not inflated; it holds count things, most of them at most. */
PEN_MUST_USE pen_status block_reader_packed(struct block_reader *r, uint64_t most,
                                            struct block_head *head, struct pen_err *err);
/* The next block into rest and left. */
PEN_MUST_USE pen_status block_reader_next(struct block_reader *r, void *zstd, uint64_t most,
                                          struct pen_err *err);

#endif
