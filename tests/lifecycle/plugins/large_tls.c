// Thread-local memory that the loader allocates when a thread first uses it, and frees when that thread is joined.
static __thread volatile char area[100 << 10];

void use_large_tls(void) { area[sizeof area / 2] = 1; }
