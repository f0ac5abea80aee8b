// Walks over rows whose length need not be a multiple of a vector. Included inside a target region.

// Calls f(i, count) for the vectors of [begin, end), `count` lanes of each in use.
template <class Body>
inline void for_vectors(int64_t begin, int64_t end, Body body) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) body(i, kLanes);
  if (i < end) body(i, end - i);
}
inline F load_some(const float* p, int64_t count) {
  return count == kLanes ? load(p) : load_partial(p, count);
}
inline void store_some(float* p, F v, int64_t count) {
  if (count == kLanes) {
    store(p, v);
  } else {
    store_partial(p, v, count);
  }
}
