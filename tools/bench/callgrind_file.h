// tools/bench/callgrind_file.h: what callgrind writes, read.
//
// Responsibility  Sum a callgrind.out file up by function.
// Contract        read_callgrind_file(): costs of calls are left out, so each instruction counts once, for
//                 the function it is in. Functions come by falling instructions; parameter lists are cut
//                 off their names. A line that is not understood is passed over.
// Observable      The sums.
// Composable      Reads a stream; starts nothing. Format: valgrind's "Callgrind Format Specification".
#pragma once

#include <istream>
#include <string>
#include <vector>

namespace hakmem::bench {

struct FunctionCost {
  std::string name;
  std::string object;  // the file it is in
  unsigned long long instructions = 0;
};

struct CallgrindProfile {
  unsigned long long instructions = 0;
  unsigned long long system_calls = 0;
  unsigned long long system_ns = 0;
  std::vector<FunctionCost> functions;
};

CallgrindProfile read_callgrind_file(std::istream& input);

}  // namespace hakmem::bench
