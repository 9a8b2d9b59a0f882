/* A link with a rate, a queue, loss and delay between two network namespaces, for kernels without netem.
 *
 *   emulator NAMESPACE-A NAMESPACE-B INTERFACE RATE-MBIT QUEUE-MS DELAY-MS LOSS-PERCENT BURST-ENTER-PERCENT BURST-LEAVE-PERCENT
 *
 * Each namespace gets a TUN interface of that name. A packet that goes in at one side comes out at the other. Both directions work alike and independently:
 * a packet waits for its turn at the rate, or is dropped if it would wait longer than the queue allows; it is lost by chance, or always while a burst
 * lasts (Gilbert-Elliott: a burst begins and ends with the given chance at each packet); then it travels for the delay. It prints "ready" and runs until
 * its standard input is closed, so that it cannot outlive the benchmark. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 16384, SLOT_BYTES = 2048, PACKETS_PER_TURN = 64 };

struct link {
  double nsPerByte, queueNs, delayNs, loss, burstEnter, burstLeave;
};

struct packet {
  int64_t due;
  int length;
  unsigned char bytes[SLOT_BYTES];
};

struct direction {
  int in, out;
  int64_t freeAt; /* when the link has sent everything before */
  int inBurst;
  uint64_t random;
  unsigned head, count;
  struct packet *packets; /* a ring, in the order in which they are due */
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* xorshift64*; a number from 0 to 1 */
static double chance(struct direction *direction) {
  uint64_t x = direction->random;
  x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
  direction->random = x;
  return (double)((x * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

static int openTun(const char *namespace, const char *interface) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", namespace);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) fail(path);
  close(fd);
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  if (tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0) fail("/dev/net/tun");
  return tun;
}

static int isLost(struct direction *direction, const struct link *link) {
  double change = direction->inBurst ? link->burstLeave : link->burstEnter;
  if (change > 0 && chance(direction) < change) direction->inBurst = !direction->inBurst;
  return direction->inBurst || (link->loss > 0 && chance(direction) < link->loss);
}

static void receive(struct direction *direction, const struct link *link) {
  for (int i = 0; i < PACKETS_PER_TURN && direction->count < SLOTS; i++) {
    struct packet *packet = &direction->packets[(direction->head + direction->count) % SLOTS];
    packet->length = read(direction->in, packet->bytes, SLOT_BYTES);
    if (packet->length <= 0) return;
    int64_t at = now();
    if (direction->freeAt < at) direction->freeAt = at;
    if (direction->freeAt - at > link->queueNs) continue; /* no room in the queue */
    direction->freeAt += packet->length * link->nsPerByte;
    if (isLost(direction, link)) continue; /* it has used the link nevertheless */
    packet->due = direction->freeAt + link->delayNs;
    direction->count++;
  }
}

/* Returns when the next packet is due. */
static int64_t deliver(struct direction *direction) {
  while (direction->count > 0) {
    struct packet *packet = &direction->packets[direction->head];
    if (packet->due > now()) return packet->due;
    if (write(direction->out, packet->bytes, packet->length) < 0) { /* the interface is down, or its queue is full: lost */
    }
    direction->head = (direction->head + 1) % SLOTS;
    direction->count--;
  }
  return INT64_MAX;
}

int main(int count, char **arguments) {
  if (count != 10) return fprintf(stderr, "see the comment at the top of emulator.c\n"), 2;
  double value[6];
  for (int i = 0; i < 6; i++) value[i] = atof(arguments[4 + i]);
  struct link link = {8e3 / value[0], value[1] * 1e6, value[2] * 1e6, value[3] / 100, value[4] / 100, value[5] / 100};
  int a = openTun(arguments[1], arguments[3]), b = openTun(arguments[2], arguments[3]);
  struct direction directions[2] = {{.in = a, .out = b, .random = 0x9e3779b97f4a7c15}, {.in = b, .out = a, .random = 0xd1b54a32d192ed03}};
  for (int i = 0; i < 2; i++) {
    directions[i].packets = malloc(SLOTS * sizeof(struct packet));
    if (directions[i].packets == NULL) fail("memory");
  }
  struct sched_param priority = {.sched_priority = 2};
  sched_setscheduler(0, SCHED_RR, &priority); /* a link does not wait for the programs that use it */
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    struct pollfd files[3] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    int64_t first = deliver(&directions[0]), second = deliver(&directions[1]);
    int64_t due = first < second ? first : second, wait = due - now();
    if (wait < 0) wait = 0;
    struct timespec timeout = {wait / 1000000000LL, wait % 1000000000LL};
    if (ppoll(files, 3, due == INT64_MAX ? NULL : &timeout, NULL) < 0) fail("poll");
    if (files[2].revents != 0) return 0;
    for (int i = 0; i < 2; i++)
      if (files[i].revents != 0) receive(&directions[i], &link);
  }
}
