// The header's version is the library's.
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <string.h>

#if HAK_VERSION < 100
#error "HAK_VERSION cannot be compared"
#endif

int main(void) {
  char text[64];
  snprintf(text, sizeof text, "%d.%d.%d", HAK_VERSION_MAJOR, HAK_VERSION_MINOR, HAK_VERSION_PATCH);
  puts(text);
  return strcmp(text, hak_version()) != 0;
}
