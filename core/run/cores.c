/* How many cores' worth of time the control groups of the process leave it: their quota over their period, rounded up. A
 * container that may use one core of 64 is seen by nothing else. Version 2 of control groups writes both numbers to
 * cpu.max, version 1 each to a file; the groups above limit those below them. */
#include "core/run/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_TEXT = 4096 };

static bool read_text(const char *path, char *text)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    size_t used = 0;
    for (ssize_t n = 1; n != 0 && used < MOST_TEXT - 1;) {
        n = read(file, text + used, MOST_TEXT - 1 - used);
        if (n < 0 && errno != EINTR) break;
        used += n > 0 ? (size_t)n : 0;
    }
    close(file);
    text[used] = 0;
    return used > 0;
}

/* No quota, "max" or −1, is no limit. */
static int cores_of(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) return INT_MAX;
    const long long cores = (quota - 1) / period + 1;
    return cores < INT_MAX ? (int)cores : INT_MAX;
}

static int limit_in(const char *folder)
{
    char path[2 * MOST_TEXT + 40], text[MOST_TEXT];
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (read_text(path, text)) {
        char *period = strchr(text, ' ');
        return cores_of(strtoll(text, NULL, 10), period ? strtoll(period, NULL, 10) : 0);
    }
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_text(path, text)) return INT_MAX;
    const long long quota = strtoll(text, NULL, 10);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    return read_text(path, text) ? cores_of(quota, strtoll(text, NULL, 10)) : INT_MAX;
}

/* The least limit of a group and those above it. Inside a container the mount begins at the group itself, so that only
 * the shortest of its paths is there. */
static int limit_along(const char *root, const char *mount, const char *group)
{
    char folder[2 * MOST_TEXT];
    int least = INT_MAX;
    const int length = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s", root, mount);
    if (length < 0 || (size_t)length + strlen(group) >= sizeof folder) return INT_MAX;
    memcpy(folder + length, group, strlen(group) + 1);
    for (char *end = folder + strlen(folder); end;) {
        *end = 0;
        const int limit = limit_in(folder);
        if (limit < least) least = limit;
        end = strrchr(folder + length, '/');
    }
    return least;
}

static bool names_cpu(const char *controllers)
{
    for (const char *c = controllers; *c; c += strcspn(c, ","), c += *c == ',')
        if (strncmp(c, "cpu", 3) == 0 && (c[3] == ',' || !c[3])) return true;
    return false;
}

int reel__group_cores(const char *root)
{
    char path[MOST_TEXT + 40], text[MOST_TEXT];
    int least = INT_MAX;
    snprintf(path, sizeof path, "%.*s/proc/self/cgroup", MOST_TEXT, root);
    if (!read_text(path, text)) return INT_MAX;
    for (char *line = text, *next; *line; line = next) { /* "7:cpu,cpuacct:/group", "0::/group" */
        next = line + strcspn(line, "\n");
        if (*next) *next++ = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        controllers++;
        if (*controllers && !names_cpu(controllers)) continue;
        const int limit = limit_along(root, *controllers ? "/cpu" : "", group);
        if (limit < least) least = limit;
    }
    return least;
}
