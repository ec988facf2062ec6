/*
 * resolver.c - a name whose address changes, for the test that it is looked up again.
 *
 * To be preloaded.  Of the name that PENSTOCK_RESOLVER_NAME holds the address is what the file
 * PENSTOCK_RESOLVER_FILE says (an IPv4 address); all others are resolved as ever.
 * While the file says "stall" no answer comes; a file beside it, with ".stalled" behind its name,
 * tells that somebody waits.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int getaddrinfo_fn(const char *node, const char *service, const struct addrinfo *hints,
                           struct addrinfo **res);

/* The first line of the file; "": there is none. */
static void file_read(const char *path, char line[64])
{
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, 64, file) == NULL) {
        line[0] = '\0';
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static void stalled_tell(const char *path)
{
    char name[4096];
    (void)snprintf(name, sizeof(name), "%s.stalled", path);
    FILE *file = fopen(name, "we");
    if (file != NULL) {
        (void)fclose(file);
    }
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    static getaddrinfo_fn *next;
    char address[64] = "";
    const char *name = getenv("PENSTOCK_RESOLVER_NAME");
    const char *path = getenv("PENSTOCK_RESOLVER_FILE");
    if (next == NULL) {
        next = (getaddrinfo_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
    }
    if (name == NULL || path == NULL || node == NULL || strcmp(node, name) != 0) {
        return next(node, service, hints, res);
    }
    file_read(path, address);
    while (strcmp(address, "stall") == 0) {
        stalled_tell(path);
        (void)usleep(10000);
        file_read(path, address);
    }
    return address[0] == '\0' ? EAI_NONAME : next(address, service, hints, res);
}
