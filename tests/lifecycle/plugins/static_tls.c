// Takes 64 bytes of the room for initial-exec thread-local memory that a process has once it runs.
static __thread char taken[64] __attribute__((tls_model("initial-exec"), aligned(8)));

char* take_static_tls(void) { return taken; }
