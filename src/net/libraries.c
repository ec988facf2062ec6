/* tested by tests/unit/net/test_list_xml.c */
#include "penstock/net.h"

#include <curl/curl.h>

#include <expat.h>
#include <openssl/crypto.h>

pen_status pen_net_libraries(struct pen_buf *out)
{
    const XML_Expat_Version expat = XML_ExpatVersionInfo();
    PEN_TRY(pen_buf_printf(out, "openssl %s\n", OpenSSL_version(OPENSSL_VERSION_STRING)));
    PEN_TRY(pen_buf_printf(out, "libcurl %s\n", curl_version_info(CURLVERSION_NOW)->version));
    return pen_buf_printf(out, "expat %d.%d.%d\n", expat.major, expat.minor, expat.micro);
}
