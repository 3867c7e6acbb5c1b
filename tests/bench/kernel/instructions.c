/*
 * A TCG plugin of qemu: counts the guest's instructions in a file of two numbers, user's and kernel's.
 *
 * Argument: counters=PATH, a file of 16 bytes afterwards: two 64-bit counters in the host's byte order, which whoever maps or reads the
 * file sees grow. One vCPU in one thread (`-accel tcg,thread=single`), so they are added to without a lock. The address of
 * a block tells whose it is: the upper half of x86-64's addresses is the kernel's. Debian ships no qemu-plugin.h: these are
 * the declarations of version 7 of the interface (qemu 11.1) that are used here.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

struct qemu_plugin_tb;
enum { NO_REGISTERS = 0 };
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*translated)(struct qemu_plugin_tb *, void *), void *data);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*executed)(unsigned int, void *), int flags,
                                          void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);

VISIBLE int qemu_plugin_version = 7;
VISIBLE int qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments);

enum mode { USER, KERNEL, MODES };
static uint64_t *executed_of;

static void executed_by_user(unsigned int vcpu, void *instructions)
{
    (void)vcpu;
    executed_of[USER] += (uintptr_t)instructions;
}

static void executed_by_kernel(unsigned int vcpu, void *instructions)
{
    (void)vcpu;
    executed_of[KERNEL] += (uintptr_t)instructions;
}

static void translated(struct qemu_plugin_tb *block, void *data)
{
    (void)data;
    qemu_plugin_register_vcpu_tb_exec_cb(block,
                                         qemu_plugin_tb_vaddr(block) >> 63 ? executed_by_kernel : executed_by_user,
                                         NO_REGISTERS, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

int qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments)
{
    static const char name[] = "counters=";
    const size_t length = MODES * sizeof *executed_of;
    (void)info;
    if (count != 1 || strncmp(arguments[0], name, strlen(name))) {
        fprintf(stderr, "instructions: one argument is needed: counters=PATH\n");
        return -1;
    }
    int file = open(arguments[0] + strlen(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, (off_t)length)) {
        perror(arguments[0]);
        return -1;
    }
    executed_of = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (executed_of == MAP_FAILED) {
        perror(arguments[0]);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated, NULL);
    return 0;
}
