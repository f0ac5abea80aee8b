#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octavo::serve {

// Whether an Authorization header bears one of the keys. All keys are compared, each in a time that
// depends on the presented text alone. No keys: everybody may.
bool authorized(const std::vector<std::string>& keys, std::string_view header);

}  // namespace octavo::serve
