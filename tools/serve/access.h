// tools/serve/access.h: who may read the dashboard.
//
// Responsibility  A token that only who started the server knows, and the checks of each request.
// Contract        Every request: the method reads; Host names this server on the loopback address, so that a page of
//                 another site cannot reach it under a name of its own (DNS rebinding); the token is in the cookie,
//                 the query (`t`) or as a bearer. Tokens are compared in constant time. A refusal says what to do and
//                 nothing about the process.
// Observable      token().
// Composable      http. Used by serve.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "http.h"

namespace hakmem::tools {

class Access {
 public:
  // 128 bits from the kernel.
  explicit Access(std::uint16_t port);

  const std::string& token() const { return token_; }
  // Why not; nothing when the request may be answered.
  std::optional<HttpResponse> refusal(const HttpRequest& request) const;
  // "name=token; ...", for a browser that came with the token in its address.
  std::string cookie() const;

 private:
  std::string cookie_name() const { return "hakmem_" + std::to_string(port_); }

  std::uint16_t port_;
  std::string token_;
};

// As long as `right` is, whatever `given` is.
bool same_token(const std::string& given, const std::string& right);

}  // namespace hakmem::tools
