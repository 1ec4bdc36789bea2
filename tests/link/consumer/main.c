// A user's program that names no function of the allocator's: only libc calls malloc here, in fopen and strdup.
#include <stdio.h>
#include <string.h>

int main(int count, char** words) {
  FILE* nowhere = fopen("/dev/null", "w");
  const char* copy = strdup(words[count - 1]);
  return nowhere == NULL || copy == NULL || fputs(copy, nowhere) < 0;
}
