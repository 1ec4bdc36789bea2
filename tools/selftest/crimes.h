// tools/selftest/crimes.h: what `hakmem selftest --security` commits, one crime a child.
//
// Responsibility  The list of crimes, what each flavour promises about it, and the code that does it.
// Contract        commit() runs in a process with the library preloaded. It does not return when the
//                 library ends the process; else it says what came of it.
// Observable      Both lists.
// Composable      libc only. Used by selftest.cpp.
#pragma once

#include <span>

namespace hakmem::selftest {

enum class Flavour { kDefault, kHardened };

// What a crime that did not end the process found out about it.
enum class Aftermath {
  kUnnoticed,
  kHarmless,  // refused, zeroed, delayed: nothing is left to exploit
};

enum class Promise {
  kNone,
  kReport,    // the process ends with this report
  kFault,     // the access itself ends the process
  kHarmless,  // the process goes on, see Aftermath
};

struct Expectation {
  Promise promise = Promise::kNone;
  const char* report = nullptr;  // the mistake's name in the report's first line
};

struct Crime {
  const char* name;
  const char* text;
  Expectation in_default;
  Expectation in_hardened;
  Aftermath (*commit)();

  const Expectation& expectation(Flavour flavour) const {
    return flavour == Flavour::kDefault ? in_default : in_hardened;
  }
};

std::span<const Crime> crimes_of_one_thread();
// Of blocks that another thread frees than got them.
std::span<const Crime> crimes_of_two_threads();

}  // namespace hakmem::selftest
