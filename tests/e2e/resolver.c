/*
 * resolver.c - a name whose address changes, for the test that it is looked up again.
 *
 * To be preloaded.  Of the name that PENSTOCK_RESOLVER_NAME holds the address is what the file
 * PENSTOCK_RESOLVER_FILE says (an IPv4 address); all others are resolved as ever.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int getaddrinfo_fn(const char *node, const char *service, const struct addrinfo *hints,
                           struct addrinfo **res);

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
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(address, sizeof(address), file) == NULL) {
        address[0] = '\0';
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return address[0] == '\0' ? EAI_NONAME : next(address, service, hints, res);
}
