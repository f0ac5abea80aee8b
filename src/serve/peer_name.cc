#include "serve/peer_name.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace octavo::serve {
namespace {

using Endpoint = boost::asio::generic::stream_protocol::endpoint;

// The address in its own type; false: it is of another family.
template <class Address>
bool read(const Endpoint& endpoint, int family, Address& out) {
  if (endpoint.protocol().family() != family || endpoint.size() < sizeof out) return false;
  std::memcpy(&out, endpoint.data(), sizeof out);
  return true;
}

}  // namespace

int port_of(const Endpoint& address) {
  sockaddr_in v4;
  sockaddr_in6 v6;
  if (read(address, AF_INET, v4)) return ntohs(v4.sin_port);
  if (read(address, AF_INET6, v6)) return ntohs(v6.sin6_port);
  return 0;
}

std::string peer_name(const boost::asio::generic::stream_protocol::socket& socket) {
  boost::system::error_code code;
  const Endpoint address = socket.remote_endpoint(code);
  if (code) return "gone";
  char text[INET6_ADDRSTRLEN] = "";
  sockaddr_in v4;
  sockaddr_in6 v6;
  if (read(address, AF_INET, v4)) {
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(port_of(address));
  }
  if (read(address, AF_INET6, v6)) {
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(port_of(address));
  }
  return "unix";
}

}  // namespace octavo::serve
