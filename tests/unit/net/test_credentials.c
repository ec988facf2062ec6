#include "penstock/net.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW (INT64_C(1800000000) * PEN_NS_PER_S)
#define ENV_MAX 8

struct fixture {
    char dir[64];
    char config[96];
    char credentials[96];
    const char *env[ENV_MAX][2];
    struct pen_credential_options options;
    struct pen_credential_chain *chain;
    struct pen_err err;
};

/* Nothing outside of the test is looked at. */
static const char *env_of(void *ctx, const char *name)
{
    const struct fixture *f = ctx;
    for (size_t i = 0; i < ENV_MAX && f->env[i][0] != NULL; i++) {
        if (strcmp(f->env[i][0], name) == 0) {
            return f->env[i][1];
        }
    }
    if (strcmp(name, "AWS_CONFIG_FILE") == 0) {
        return f->config;
    }
    if (strcmp(name, "AWS_SHARED_CREDENTIALS_FILE") == 0) {
        return f->credentials;
    }
    return strcmp(name, "AWS_EC2_METADATA_DISABLED") == 0 ? "TRUE" : NULL;
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return -1;
    }
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/penstock-creds-XXXXXX");
    if (mkdtemp(f->dir) == NULL) {
        free(f);
        return -1;
    }
    (void)snprintf(f->config, sizeof(f->config), "%s/config", f->dir);
    (void)snprintf(f->credentials, sizeof(f->credentials), "%s/credentials", f->dir);
    f->options = (struct pen_credential_options){.env = env_of, .env_ctx = f};
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    pen_credential_chain_free(f->chain);
    (void)unlink(f->config);
    (void)unlink(f->credentials);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static pen_status get(struct fixture *f, struct pen_credentials *who)
{
    int64_t expires_ns = 0;
    f->err = (struct pen_err){.status = PEN_OK};
    if (f->chain == NULL) {
        assert_int_equal(pen_credential_chain_new(&f->chain, &f->options, &f->err), PEN_OK);
    }
    pen_credential_chain_forget(f->chain);
    return pen_credential_chain_get(f->chain, NOW, who, &expires_ns, &f->err);
}

static void gives(struct fixture *f, const char *source, const char *access, const char *secret)
{
    struct pen_credentials who;
    if (get(f, &who) != PEN_OK) {
        fail_msg("%s", f->err.text);
    }
    const pen_slice said = pen_credential_chain_source(f->chain);
    if (!pen_slice_eq(said, pen_slice_str(source))) {
        fail_msg("from \"%.*s\", not \"%s\"", PEN_SLICE_FMT(said), source);
    }
    assert_true(pen_slice_eq(who.access_key, pen_slice_str(access)));
    assert_true(pen_slice_eq(who.secret_key, pen_slice_str(secret)));
}

static void fails(struct fixture *f, const char *text)
{
    struct pen_credentials who;
    assert_int_equal(get(f, &who), PEN_E_CONFIG);
    assert_int_equal(who.access_key.len, 0);
    assert_int_equal(pen_credential_chain_source(f->chain).len, 0);
    if (strstr(f->err.text, text) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", f->err.text, text);
    }
}

static void the_environment_counts_before_files(void **state)
{
    struct fixture *f = *state;
    file_write(f->credentials, "[default]\naws_access_key_id=AF\naws_secret_access_key=sf\n");
    gives(f, "profile default, credentials file", "AF", "sf");
    f->env[0][0] = "AWS_ACCESS_KEY_ID";
    f->env[0][1] = "AE";
    fails(f, "environment: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
    f->env[1][0] = "AWS_SECRET_ACCESS_KEY";
    f->env[1][1] = "se";
    gives(f, "environment", "AE", "se");
    f->env[0][1] = "";
    gives(f, "profile default, credentials file", "AF", "sf");
}

static void a_given_profile_counts_before_the_environment(void **state)
{
    struct fixture *f = *state;
    f->env[0][0] = "AWS_ACCESS_KEY_ID";
    f->env[0][1] = "AE";
    f->env[1][0] = "AWS_SECRET_ACCESS_KEY";
    f->env[1][1] = "se";
    f->options.profile = PEN_SLICE_LIT("p");
    fails(f, "no file has profile p");
    file_write(f->config, "[profile p]\naws_access_key_id = AP # mine\naws_secret_access_key=sp\n");
    gives(f, "profile p, config file", "AP", "sp");
}

static void files_are_read_anew_for_each_fetch(void **state)
{
    struct fixture *f = *state;
    file_write(f->config, "[default]\naws_access_key_id=A1\naws_secret_access_key=s1\n");
    gives(f, "profile default, config file", "A1", "s1");
    file_write(f->credentials, "[default]\naws_access_key_id=A2\naws_secret_access_key=s2\n");
    gives(f, "profile default, credentials file", "A2", "s2");
}

static void the_last_error_names_every_source(void **state)
{
    struct fixture *f = *state;
    fails(f, "no credentials: environment: no AWS_ACCESS_KEY_ID; web identity: no "
             "AWS_WEB_IDENTITY_TOKEN_FILE; profile: no file has profile default; container: no "
             "AWS_CONTAINER_*_URI; instance metadata: AWS_EC2_METADATA_DISABLED is set");
    const pen_slice report = pen_credential_chain_report(f->chain);
    assert_true(pen_slice_eq(report, pen_slice_str(f->err.text + strlen("no credentials: "))));
}

static void circles_of_profiles_are_refused_by_name(void **state)
{
    struct fixture *f = *state;
    file_write(f->config, "[default]\nrole_arn=r\nsource_profile=b\n[profile b]\nrole_arn=r\n"
                          "source_profile=c\n[profile c]\nrole_arn=r\nsource_profile=b\n"
                          "[profile self]\nrole_arn=r\nsource_profile=self\n");
    fails(f, "profile: source_profile goes in a circle: default -> b -> c -> b");
    f->env[0][0] = "AWS_PROFILE";
    f->env[0][1] = "self";
    fails(f, "source_profile goes in a circle: self -> self");
}

static void profiles_that_cannot_work_are_told(void **state)
{
    static const char *const cases[][2] = {
        {"role_arn=r", "profile default: role_arn without source_profile or credential_source"},
        {"role_arn=r\nsource_profile=a\ncredential_source=Environment",
         "role_arn with both source_profile and credential_source"},
        {"role_arn=r\nsource_profile=a", "there is no profile a, its source_profile"},
        {"role_arn=r\nsource_profile=a\nmfa_serial=m", "mfa_serial needs somebody to ask"},
        {"role_arn=r\nsource_profile=a\n[profile a]\nregion=x",
         "profile a has neither keys, a role nor credential_process"},
        {"web_identity_token_file=/x", "web_identity_token_file without role_arn"},
        {"aws_access_key_id=A", "aws_access_key_id without aws_secret_access_key"},
        {"aws_access_key_id=A\naws_secret_access_key=a b", "the secret key is empty, too long or"},
        {"sso_session=s", "SSO is not spoken here: set credential_process = aws configure"},
        {"no line of a file", "config, line 2: neither"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), "[default]\n%s\n", cases[i][0]);
        file_write(f->config, text);
        fails(f, cases[i][1]);
    }
}

static void a_long_row_of_roles_is_refused(void **state)
{
    struct fixture *f = *state;
    char text[2048] = "[default]\nrole_arn=r\nsource_profile=p0\n";
    for (int i = 0; i < 9; i++) {
        const size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len,
                       "[profile p%d]\nrole_arn=r\nsource_profile=p%d\n", i, i + 1);
    }
    const size_t len = strlen(text);
    (void)snprintf(text + len, sizeof(text) - len, "[profile p9]\nregion=x\n");
    file_write(f->config, text);
    fails(f, "profile default: more than 8 roles, one by another");
}

static void region_is(struct fixture *f, pen_status status, const char *want)
{
    pen_slice region;
    pen_credential_chain_free(f->chain);
    assert_int_equal(pen_credential_chain_new(&f->chain, &f->options, &f->err), PEN_OK);
    assert_int_equal(pen_region_of(f->chain, &region, &f->err), status);
    if (status == PEN_OK) {
        assert_true(pen_slice_eq(region, pen_slice_str(want)));
    } else {
        assert_non_null(strstr(f->err.text, want));
    }
}

static void the_region_is_the_first_that_is_told(void **state)
{
    struct fixture *f = *state;
    region_is(f, PEN_E_NOT_FOUND, "instance metadata: AWS_EC2_METADATA_DISABLED is set");
    file_write(f->config, "[default]\nregion = eu-west-1 # here\n[profile p]\nregion=eu-west-2\n");
    region_is(f, PEN_OK, "eu-west-1");
    f->env[0][0] = "AWS_DEFAULT_PROFILE";
    f->env[0][1] = "p";
    region_is(f, PEN_OK, "eu-west-2");
    f->env[1][0] = "AWS_DEFAULT_REGION";
    f->env[1][1] = "eu-west-3";
    region_is(f, PEN_OK, "eu-west-3");
    f->env[2][0] = "AWS_REGION";
    f->env[2][1] = "eu-north-1";
    region_is(f, PEN_OK, "eu-north-1");
    f->options.region = PEN_SLICE_LIT("us-east-2");
    region_is(f, PEN_OK, "us-east-2");
    f->options.region = PEN_SLICE_LIT("us.east/2");
    region_is(f, PEN_E_CONFIG, "no region is named \"us.east/2\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_environment_counts_before_files, begin, end),
        cmocka_unit_test_setup_teardown(a_given_profile_counts_before_the_environment, begin, end),
        cmocka_unit_test_setup_teardown(files_are_read_anew_for_each_fetch, begin, end),
        cmocka_unit_test_setup_teardown(the_last_error_names_every_source, begin, end),
        cmocka_unit_test_setup_teardown(circles_of_profiles_are_refused_by_name, begin, end),
        cmocka_unit_test_setup_teardown(profiles_that_cannot_work_are_told, begin, end),
        cmocka_unit_test_setup_teardown(a_long_row_of_roles_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(the_region_is_the_first_that_is_told, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
