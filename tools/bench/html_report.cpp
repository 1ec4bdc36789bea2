#include "page.h"
#include "report.h"

namespace hakmem::bench {
namespace {

// Inside <script> only "<" can end or change anything, and JSON has it inside strings only.
std::string for_script(const nlohmann::json& document) {
  const std::string text = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string for_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '<') {
      safe += "&lt;";
    } else if (c == '&') {
      safe += "&amp;";
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace

std::string html_report(const nlohmann::json& document, const std::string& text) {
  std::string page;
  page += kPageHead;
  page += for_text(text);
  page += kPageMiddle;
  page += for_script(document);
  page += kPageEnd;
  return page;
}

}  // namespace hakmem::bench
