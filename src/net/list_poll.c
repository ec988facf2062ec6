/* tested by tests/unit/net/test_list_server.py */
#include "list.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define EVENTS_MAX 64

/* libcurl tells what it waits for at a socket.  seen is not NULL when it was told before. */
static int socket_told(CURL *easy, curl_socket_t fd, int what, void *ctx, void *seen)
{
    struct pen_s3_list *list = ctx;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(list->epoll_fd, EPOLL_CTL_DEL, fd, &event); /* it may be closed already */
        return 0;
    }
    event.events =
        ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
    if (seen == NULL) {
        (void)curl_multi_assign(list->multi, fd, list);
    }
    int got = epoll_ctl(list->epoll_fd, seen == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    if (got != 0 && (errno == EEXIST || errno == ENOENT)) {
        got =
            epoll_ctl(list->epoll_fd, errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    }
    return got == 0 ? 0 : -1;
}

static int timer_told(CURLM *multi, long timeout_ms, void *ctx)
{
    struct pen_s3_list *list = ctx;
    (void)multi;
    list->timer_ns = timeout_ms < 0 ? INT64_MAX : pen_clock_mono_ns() + timeout_ms * NS_PER_MS;
    return 0;
}

pen_status pen_list_poll_new(struct pen_s3_list *list, struct pen_err *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    list->timer_ns = INT64_MAX;
    list->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    list->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.fd = list->wake_fd;
    if (list->epoll_fd < 0 || list->wake_fd < 0 ||
        epoll_ctl(list->epoll_fd, EPOLL_CTL_ADD, list->wake_fd, &event) != 0) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "listing: no descriptor to wait at: %s",
                        strerrordesc_np(errno));
    }
    const bool is_set =
        curl_multi_setopt(list->multi, CURLMOPT_SOCKETFUNCTION, socket_told) == CURLM_OK &&
        curl_multi_setopt(list->multi, CURLMOPT_SOCKETDATA, list) == CURLM_OK &&
        curl_multi_setopt(list->multi, CURLMOPT_TIMERFUNCTION, timer_told) == CURLM_OK &&
        curl_multi_setopt(list->multi, CURLMOPT_TIMERDATA, list) == CURLM_OK;
    return is_set ? PEN_OK
                  : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "listing: libcurl does not start");
}

void pen_list_poll_fini(struct pen_s3_list *list)
{
    if (list->epoll_fd >= 0) {
        (void)close(list->epoll_fd);
    }
    if (list->wake_fd >= 0) {
        (void)close(list->wake_fd);
    }
}

static CURLMcode act(struct pen_s3_list *list, curl_socket_t fd, int what)
{
    int running;
    return curl_multi_socket_action(list->multi, fd, what, &running);
}

static CURLMcode event_take(struct pen_s3_list *list, const struct epoll_event *event)
{
    if (event->data.fd == list->wake_fd) {
        uint64_t wakes;
        (void)!read(list->wake_fd, &wakes, sizeof(wakes)); /* it is only to be empty again */
        list->is_woken = true;
        return CURLM_OK;
    }
    const int what = ((event->events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                     ((event->events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                     ((event->events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
    return act(list, event->data.fd, what);
}

/* Until its timer libcurl wants to sleep; whole milliseconds, rounded up. */
static int sleep_of(const struct pen_s3_list *list, int timeout_ms)
{
    const int64_t left =
        list->timer_ns == INT64_MAX ? INT64_MAX : list->timer_ns - pen_clock_mono_ns();
    const int64_t most = (int64_t)timeout_ms * NS_PER_MS;
    return left >= most ? timeout_ms : left <= 0 ? 0 : (int)((left + NS_PER_MS - 1) / NS_PER_MS);
}

pen_status pen_list_poll(struct pen_s3_list *list, int timeout_ms, struct pen_err *err)
{
    struct epoll_event events[EVENTS_MAX];
    CURLMcode code = CURLM_OK;
    const int count = epoll_wait(list->epoll_fd, events, EVENTS_MAX, sleep_of(list, timeout_ms));
    for (int i = 0; i < count && code == CURLM_OK; i++) {
        code = event_take(list, &events[i]);
    }
    if (code == CURLM_OK && list->timer_ns != INT64_MAX && list->timer_ns <= pen_clock_mono_ns()) {
        list->timer_ns = INT64_MAX; /* it sets the next itself */
        code = act(list, CURL_SOCKET_TIMEOUT, 0);
    }
    if (code != CURLM_OK) {
        return PEN_FAIL(err, PEN_E_INTERNAL, PEN_NO_OFFSET, "listing: libcurl: %s",
                        curl_multi_strerror(code));
    }
    return PEN_OK;
}

void pen_s3_list_wake(struct pen_s3_list *list)
{
    const uint64_t one = 1;
    (void)!write(list->wake_fd, &one, sizeof(one)); /* it fails only when wakes are there */
}
