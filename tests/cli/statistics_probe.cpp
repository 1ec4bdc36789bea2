// tools/bench/statistics.h behind a pipe: one sample a line on stdin, one JSON array a line on stdout,
// for bench_statistics_test.py.
//
// line    sample V...  -> [median, q1, q3, low, high, coverage, p, p greater, p less], centre 1
//         holm P...    -> the adjusted values
//         size N       -> [sample_size_min]
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "bench/statistics.h"

namespace {

using namespace hakmem::bench;

constexpr double kConfidence = 0.95;

void print(const std::vector<double>& values) {
  const char* separator = "[";
  for (const double value : values) {
    std::printf("%s%.17g", separator, value);
    separator = ", ";
  }
  std::puts("]");
}

std::vector<double> describe(const std::vector<double>& sample) {
  const auto interval = median_interval(sample, kConfidence);
  std::vector<double> answer = {median(sample), quantile(sample, 0.25), quantile(sample, 0.75)};
  answer.push_back(interval ? interval->low : 0);
  answer.push_back(interval ? interval->high : 0);
  answer.push_back(interval ? interval->coverage : 0);
  for (const Alternative alternative :
       {Alternative::kDiffers, Alternative::kGreater, Alternative::kLess}) {
    answer.push_back(sign_test(sample, 1.0, alternative));
  }
  return answer;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    std::vector<double> values;
    for (double value; words >> value;) values.push_back(value);
    if (what == "sample") print(describe(values));
    if (what == "holm") print(holm(values));
    if (what == "size") {
      const auto tests = static_cast<std::size_t>(values.at(0));
      print({static_cast<double>(sample_size_min(tests, kConfidence))});
    }
  }
}
