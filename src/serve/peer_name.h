#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <string>

namespace octavo::serve {

// "127.0.0.1:4711", "[::1]:4711", or "unix".
std::string peer_name(const boost::asio::generic::stream_protocol::socket& socket);

// The port of an address; 0: it has none.
int port_of(const boost::asio::generic::stream_protocol::endpoint& address);

}  // namespace octavo::serve
