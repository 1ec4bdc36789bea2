#include "access.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "../live/failure.h"

namespace hakmem::tools {
namespace {

HttpResponse refused(int status, const char* text) { return HttpResponse{status, HttpResponse().type, text, {}}; }

// Cookies are not kept apart by port: another server's may be among them.
std::string cookie_of(const HttpRequest& request, const std::string& name) {
  std::istringstream parts(request.header("cookie"));
  std::string part;
  while (std::getline(parts >> std::ws, part, ';')) {
    if (part.rfind(name + "=", 0) == 0) return part.substr(name.size() + 1);
  }
  return {};
}

}  // namespace

bool same_token(const std::string& given, const std::string& right) {
  unsigned difference = given.size() == right.size() ? 0 : 1;
  for (std::size_t i = 0; i < right.size(); ++i) {
    const unsigned char byte = i < given.size() ? static_cast<unsigned char>(given[i]) : 0;
    difference |= byte ^ static_cast<unsigned char>(right[i]);
  }
  return difference == 0;
}

Access::Access(std::uint16_t port) : port_(port) {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) {
    throw Failure(kExitUnsupported, "no random numbers for the token: {}", std::strerror(errno));
  }
  for (const unsigned char byte : bytes) token_ += fmt::format("{:02x}", byte);
}

std::optional<HttpResponse> Access::refusal(const HttpRequest& request) const {
  const std::string host = request.header("host");
  const std::string port = ":" + std::to_string(port_);
  const bool is_ours = host == "127.0.0.1" + port || host == "localhost" + port ||
                       (port_ == 80 && (host == "127.0.0.1" || host == "localhost"));
  if (!is_ours) return refused(403, "this server answers to 127.0.0.1 and localhost only\n");
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse response = refused(405, "nothing can be changed here: GET and HEAD only\n");
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  const std::string bearer = request.header("authorization");
  const bool known = same_token(cookie_of(request, cookie_name()), token_) || same_token(request.parameter("t"), token_) ||
                     same_token(bearer.rfind("Bearer ", 0) == 0 ? bearer.substr(7) : std::string(), token_);
  if (!known) return refused(403, "open the whole address that `hakmem serve` printed, with its token: /?t=...\n");
  return std::nullopt;
}

std::string Access::cookie() const {
  return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict", cookie_name(), token_);
}

}  // namespace hakmem::tools
