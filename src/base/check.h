#pragma once

#include <cstdio>
#include <cstdlib>

// Two of our own calls disagree: a bug, never an answer to a file or a client.
#define OCTAVO_CHECK(condition)                                                                   \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      std::fprintf(stderr, "%s:%d: internal check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                               \
    }                                                                                             \
  } while (false)

#ifdef NDEBUG
#define OCTAVO_DCHECK(condition) \
  do {                           \
  } while (false)
#else
#define OCTAVO_DCHECK(condition) OCTAVO_CHECK(condition)
#endif
