/* A long, lossy line between two network namespaces: what netem does, for kernels without it.
 *
 *     relay NAMESPACE NAMESPACE ONE_WAY_MS MBIT_PER_S LOSS_PERCENT QUEUE_PACKETS
 *
 * Makes a TUN device `wan0` in each namespace, prints "up", and forwards packets between the two, each way with its
 * own queue: a packet that finds the queue full is dropped, as is one of LOSS_PERCENT at random; the others leave at
 * the line's rate and arrive ONE_WAY_MS later. Needs root.
 */
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
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 16384
#define LARGEST 1600
#define AT_ONCE 64

typedef struct { int bytes; int64_t due_ns; unsigned char data[LARGEST]; } Packet;
typedef struct { Packet *packets; unsigned head, tail; int64_t leaves_ns; } Queue;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int open_tun(const char *namespace) {
  char path[256];
  snprintf(path, sizeof path, "/var/run/netns/%s", namespace);
  int there = open(path, O_RDONLY);
  if (there < 0 || setns(there, CLONE_NEWNET)) { perror(path); exit(1); }
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strcpy(request.ifr_name, "wan0");
  if (tun < 0 || ioctl(tun, TUNSETIFF, &request)) { perror("/dev/net/tun"); exit(1); }
  return tun;
}

/* Uniform in [0, 1), the same in every run (xorshift64). */
static double chance(void) {
  static uint64_t state = 88172645463325252ULL;
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (double)(state >> 11) / 9007199254740992.0;
}

/* Writes what is due; returns when the next packet is. */
static int64_t deliver(Queue *queue, int tun, int64_t now) {
  for (; queue->head != queue->tail; queue->head++) {
    Packet *packet = &queue->packets[queue->head % SLOTS];
    if (packet->due_ns > now) return packet->due_ns;
    if (write(tun, packet->data, packet->bytes) < 0) continue; /* the receiver's queue is full: lost */
  }
  return INT64_MAX;
}

static void take(Queue *queue, int tun, double delay_ns, double bit_ns, double loss, double longest_ns) {
  unsigned char data[LARGEST];
  int64_t now = now_ns();
  for (int count = 0; count < AT_ONCE; count++) {
    int bytes = (int)read(tun, data, LARGEST);
    if (bytes <= 0) return;
    int64_t leaves = (queue->leaves_ns > now ? queue->leaves_ns : now) + (int64_t)(8 * bytes * bit_ns);
    if (chance() < loss || leaves - now > longest_ns || queue->tail - queue->head >= SLOTS) continue;
    queue->leaves_ns = leaves;
    Packet *packet = &queue->packets[queue->tail++ % SLOTS];
    packet->bytes = bytes, packet->due_ns = leaves + (int64_t)delay_ns;
    memcpy(packet->data, data, bytes);
  }
}

int main(int count, char **words) {
  if (count != 7) { fprintf(stderr, "usage: relay A B ONE_WAY_MS MBIT_PER_S LOSS_PERCENT QUEUE_PACKETS\n"); return 2; }
  double delay_ns = atof(words[3]) * 1e6, bit_ns = 1e3 / atof(words[4]), loss = atof(words[5]) / 100;
  double longest_ns = atof(words[6]) * 1500 * 8 * bit_ns;
  int tun[2] = {open_tun(words[1]), open_tun(words[2])};
  Queue queue[2] = {{malloc(sizeof(Packet) * SLOTS), 0, 0, 0}, {malloc(sizeof(Packet) * SLOTS), 0, 0, 0}};
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  puts("up");
  fflush(stdout);
  for (;;) {
    int64_t now = now_ns(), next = INT64_MAX;
    for (int way = 0; way < 2; way++) {
      int64_t due = deliver(&queue[way], tun[1 - way], now);
      if (due < next) next = due;
    }
    struct itimerspec at = {0};
    if (next != INT64_MAX) at.it_value.tv_sec = next / 1000000000, at.it_value.tv_nsec = next % 1000000000;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    struct pollfd ready[3] = {{tun[0], POLLIN, 0}, {tun[1], POLLIN, 0}, {timer, POLLIN, 0}};
    poll(ready, 3, 1000);
    uint64_t expirations;
    if (ready[2].revents && read(timer, &expirations, sizeof expirations) < 0) continue;
    for (int way = 0; way < 2; way++)
      if (ready[way].revents & POLLIN) take(&queue[way], tun[way], delay_ns, bit_ns, loss, longest_ns);
  }
}
