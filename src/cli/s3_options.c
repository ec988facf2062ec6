/* tested by tests/e2e/test_s3_plan.py */
#include "options.h"

#include <stdio.h>

enum s3_id {
    S3_ENDPOINT_URL = 3000,
    S3_PATH_STYLE,
    S3_REGION,
    S3_CA,
    S3_PROFILE,
    S3_ROLE_ARN,
    S3_EXTERNAL_ID,
    S3_PAYER
};
const struct cli_option cli_s3_options[] = {{"--endpoint-url", S3_ENDPOINT_URL, true},
                                            {"--s3-path-style", S3_PATH_STYLE, false},
                                            {"--s3-region", S3_REGION, true},
                                            {"--ca", S3_CA, true},
                                            {"--profile", S3_PROFILE, true},
                                            {"--role-arn", S3_ROLE_ARN, true},
                                            {"--external-id", S3_EXTERNAL_ID, true},
                                            {"--request-payer", S3_PAYER, true},
                                            {NULL, 0, false}};

bool cli_s3_take(struct pen_s3_options *s3, int id, const char *value, bool *is_good)
{
    struct {
        int id;
        const char **to;
    } const places[] = {{S3_ENDPOINT_URL, &s3->endpoint_url},
                        {S3_REGION, &s3->region},
                        {S3_CA, &s3->ca_file},
                        {S3_PROFILE, &s3->profile},
                        {S3_ROLE_ARN, &s3->role_arn},
                        {S3_EXTERNAL_ID, &s3->external_id}};
    for (size_t i = 0; i < PEN_COUNT(places); i++) {
        if (places[i].id == id) {
            *places[i].to = value;
            return true;
        }
    }
    if (id == S3_PATH_STYLE) {
        s3->is_path_style = true;
        return true;
    }
    if (id != S3_PAYER) {
        return false;
    }
    s3->is_requester_pays = strcmp(value, "requester") == 0;
    *is_good = s3->is_requester_pays;
    if (!*is_good) {
        (void)fprintf(stderr, "penstock: --request-payer takes `requester`, not `%.100s`\n", value);
    }
    return true;
}
